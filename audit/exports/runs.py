"""Writes any number of exports in one pass over the records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from audit.exports.population import Population, Progress, selected
from audit.exports.sections import Sections
from audit.exports.sinks import Sink
from audit.exports.taming import tame
from audit.exports.targets import Targets, targets


@dataclass(frozen=True, slots=True)
class Wanted:
    """One export: its format and where it goes."""

    format: str
    target: str


class _Maker(Protocol):
    def __call__(self, population: Population, opened: Targets, target: str, sections: Sections, /) -> Sink: ...


def write_exports(
    population: Population,
    wanted: Sequence[Wanted],
    sections: Sections,
    progress: Progress = lambda _done, _total: None,
) -> int:
    """Write them all, each whole or not at all (but for standard output). The number of records selected.

    Raises NotVerified when the log changed since it was verified, NoCheckpoint, ParquetMissing, OSError.
    """
    count = 0
    with targets() as opened:
        sinks = [_MAKERS[one.format](population, opened, one.target, sections) for one in wanted]
        try:
            for record in selected(population, progress):
                shown = record if population.is_verified else tame(record)
                for sink, one in zip(sinks, wanted, strict=True):
                    sink.add(record if one.format in _EXACT else shown)
                count += 1
            for sink in sinks:
                sink.finish()
        finally:
            for sink in sinks:
                getattr(sink, "close", lambda: None)()
    return count


def _html(population: Population, opened: Targets, target: str, sections: Sections) -> Sink:
    from audit.exports.html import HtmlExport

    return HtmlExport(population, opened.open(target), sections)


def _csv(population: Population, opened: Targets, target: str, _: Sections) -> Sink:
    from audit.exports.csv_file import CsvExport

    return CsvExport(population, opened.open(target))


def _ndjson(population: Population, opened: Targets, target: str, _: Sections) -> Sink:
    from audit.exports.ndjson import NdjsonExport

    return NdjsonExport(population, opened.open(target), shown=opened.is_terminal(target))


def _parquet(population: Population, opened: Targets, target: str, _: Sections) -> Sink:
    from audit.exports.parquet import ParquetExport

    return ParquetExport(population, opened.open(target))


def _ocsf(population: Population, opened: Targets, target: str, _: Sections) -> Sink:
    from audit.exports.ocsf import OcsfExport

    return OcsfExport(population, opened.open(target))


def _kube_audit(population: Population, opened: Targets, target: str, _: Sections) -> Sink:
    from audit.exports.kube_audit import KubeAuditExport

    return KubeAuditExport(population, opened.open(target))


def _oscal(population: Population, opened: Targets, target: str, _: Sections) -> Sink:
    from audit.exports.oscal import COMPONENT_FILE, RESULTS_FILE, OscalExport

    files: list[IO[bytes]] = opened.folder(target, RESULTS_FILE, COMPONENT_FILE)
    return OscalExport(population, files[0], files[1])


def _evidence(population: Population, opened: Targets, target: str, sections: Sections) -> Sink:
    from dataclasses import replace

    from audit.exports.pack import PackExport

    # no clock in a pack: the same log gives the same bytes
    return PackExport(population, opened.open(target), replace(sections, generated=None))


_EXACT = frozenset({"csv", "ndjson"})  # which can say whatever stands there
_MAKERS: Mapping[str, _Maker] = {
    "html": _html,
    "csv": _csv,
    "ndjson": _ndjson,
    "parquet": _parquet,
    "ocsf": _ocsf,
    "kube-audit": _kube_audit,
    "oscal": _oscal,
    "evidence": _evidence,
}
