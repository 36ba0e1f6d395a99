"""The evidence pack: one zip with records, proofs, reports and a verifier that needs only Python and cryptography.

Guarantees that the same log and selection give the same bytes (names sorted, no clock, no time of files), and that
nothing of records which weren't chosen is in it but hashes. Leaves to others: whether the key in it is the right one,
and who signed or sent the pack. Memory stays flat: what is long is spooled to files beside the target first.
"""

import base64
import hashlib
import tempfile
import zipfile
from array import array
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from audit.exports.chains import Chains
from audit.exports.columns import column_dictionary
from audit.exports.controls import Tally, control_map
from audit.exports.cover import covering_hashes
from audit.exports.csv_file import CsvExport
from audit.exports.html import HtmlExport
from audit.exports.kube_audit import KubeAuditExport
from audit.exports.ndjson import NdjsonExport
from audit.exports.ocsf import OcsfExport
from audit.exports.oscal import COMPONENT_FILE, RESULTS_FILE, OscalExport
from audit.exports.population import Population
from audit.exports.readme import readme
from audit.exports.safe_json import safe_json
from audit.exports.sections import Sections
from audit.exports.sinks import Sink, Writes
from audit.reading import LoggedRecord
from audit.tlog.notes import COSIGNATURE_ED25519
from audit.tlog.proofs import inclusion_proof
from audit.tlog.tlog_proof import TlogProof

FORMAT = "bailiwick.evidence/v1"
INCLUSION = b"bailiwick.inclusion/v1\n"
MOST_PROOFS = 1_000  # files with a single proof each: all records of a small pack, else refusals
MOST_IN_REPORT = 200_000  # a browser copes with no more
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip knows
_PART = 1 << 20


class PackExport:
    """Collects the members in a directory of its own, and zips them at the end."""

    def __init__(self, population: Population, at: Writes, sections: Sections) -> None:
        population.signed()
        self._population = population
        self._at = at
        self._spool = tempfile.TemporaryDirectory(prefix="bailiwick-evidence-")
        self._files: dict[str, IO[bytes]] = {}
        self._numbers = array("Q")
        self._urgent = array("Q")
        self._chains, self._tally = Chains(), Tally()
        self._report: Sink | None = HtmlExport(population, self._member("reports/report.html"), sections)
        self._exports: tuple[Sink, ...] = (
            NdjsonExport(population, self._member("log/leaves.ndjson")),
            CsvExport(population, self._member("reports/records.csv")),
            OcsfExport(population, self._member("reports/ocsf.ndjson")),
            KubeAuditExport(population, self._member("reports/kube-audit.ndjson")),
            OscalExport(population, self._member(f"oscal/{RESULTS_FILE}"), self._member(f"oscal/{COMPONENT_FILE}")),
        )

    def add(self, record: LoggedRecord) -> None:
        for export in self._exports:
            export.add(record)
        self._add_to_report(record)
        if not record.unreadable:
            self._chains.add(record)
        self._tally.add(record)
        self._numbers.append(record.index)
        if record.fields.get("verdict") in ("denied", "undetermined") and len(self._urgent) < MOST_PROOFS:
            self._urgent.append(record.index)

    def finish(self) -> None:
        try:
            for export in self._exports:
                export.finish()
            if self._report is not None:
                self._report.finish()
            self._add_log()
            self._add_proofs()
            self._zip()
        finally:
            self.close()

    def close(self) -> None:
        """Remove what was spooled; also when the export failed."""
        for file in self._files.values():
            file.close()
        self._spool.cleanup()

    def _add_to_report(self, record: LoggedRecord) -> None:
        if self._report is not None and len(self._numbers) >= MOST_IN_REPORT:
            self._report = None
            self._files.pop("reports/report.html").close()
        if self._report is not None:
            self._report.add(record)

    def _add_log(self) -> None:
        population = self._population
        checkpoint, note = population.signed()
        self._put("log/checkpoint", note)
        self._put("log/keys.txt", "".join(f"{key}\n" for key in population.keys).encode())
        self._put("log/policy.txt", _policy(population).encode())
        inclusion = self._member("log/inclusion")
        inclusion.write(INCLUSION)
        covered = (number for number in self._numbers if number < checkpoint.size)
        for value in covering_hashes(covered, checkpoint.size, population.subtrees()):
            inclusion.write(base64.b64encode(value) + b"\n")
        mapped = control_map(self._tally, verified=population.is_verified)
        self._put("controls.json", safe_json(mapped, indented=True) + b"\n")
        self._put("reports/columns.json", safe_json(column_dictionary(), indented=True) + b"\n")
        self._put("verify.py", Path(__file__).with_name("verifier.py").read_bytes())
        self._put("README.txt", readme(population, self._tally, with_report=self._report is not None).encode())

    def _add_proofs(self) -> None:
        checkpoint, note = self._population.signed()
        subtrees = self._population.subtrees()
        for number in self._numbers if len(self._numbers) <= MOST_PROOFS else self._urgent:
            if number < checkpoint.size:
                hashes = inclusion_proof(number, checkpoint.size, subtrees)
                self._put(f"proofs/{number:012d}.tlog-proof", TlogProof(number, hashes, note).to_bytes())

    def _zip(self) -> None:
        described: dict[str, Any] = {}
        for name, file in sorted(self._files.items()):
            digest, size = _measured(file)
            described[name] = {"sha256": digest, "size": size}
        manifest = safe_json(self._manifest(described), indented=True) + b"\n"
        self._put("MANIFEST.json", manifest)
        self._put("MANIFEST.sha256", f"{hashlib.sha256(manifest).hexdigest()}  MANIFEST.json\n".encode())
        with tempfile.TemporaryFile(dir=self._spool.name) as whole:
            with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as pack:
                for name, file in sorted(self._files.items()):
                    _store(pack, name, file)
            for part in _parts(whole):
                self._at.write(part)

    def _manifest(self, files: dict[str, Any]) -> dict[str, Any]:
        population = self._population
        checkpoint, _ = population.signed()
        made: dict[str, Any] = {
            "begin": self._tally.begin,
            "checkpoint": {"origin": checkpoint.origin, "root": checkpoint.root.hex(), "size": checkpoint.size},
            "end": self._tally.end,
            "files": files,
            "format": FORMAT,
            "records": len(self._numbers),
            "selection": population.selection.plain(),
            "verified": population.is_verified,
        }
        if population.warning():
            made["warning"] = population.warning()
        if population.unread():
            made["unreadable"] = population.unread()
        if population.selection.is_narrow:
            made["declared"] = list(DECLARED)
            made["tenants"] = self._chains.plain()
        return made

    def _member(self, name: str) -> IO[bytes]:
        path = Path(self._spool.name) / f"{len(self._files):06d}"
        self._files[name] = file = path.open("w+b")
        return file

    def _put(self, name: str, data: bytes) -> None:
        self._files[name] = BytesIO(data)


DECLARED = (
    "how many records the whole log has, and the number of each record here among them",
    "each record's number in its writer's count, and the writer's name",
    "the number of each record of the log that nobody can read",
    "the hashes of other records and of groups of them, from which nothing can be read",
)
"""What a pack for one tenant lets one know of the rest of the log."""


def _policy(population: Population) -> str:
    """C2SP tlog-policy: which keys sign, for other tools."""
    lines = []
    for number, key in enumerate(population.keys):
        is_witness = key.kind == COSIGNATURE_ED25519
        lines.append(f"witness w{number} {key}" if is_witness else f"log {key}")
    return "".join(f"{line}\n" for line in [*lines, "quorum none"])


def _store(pack: zipfile.ZipFile, name: str, file: IO[bytes]) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    info.create_system = 3
    with pack.open(info, "w", force_zip64=True) as member:
        for part in _parts(file):
            member.write(part)


def _measured(file: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for part in _parts(file):
        digest.update(part)
        size += len(part)
    return digest.hexdigest(), size


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    file.flush()
    file.seek(0)
    while part := file.read(_PART):
        yield part
