"""What tests of exports share: logs of several tenants, hostile values, and the bytes of any export."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit.exports.population import Population, verified_population
from audit.exports.runs import Wanted, write_exports
from audit.exports.sections import Sections
from audit.exports.selection import Selection
from audit.leaves.record import decision_record, event_record
from tests.audit.worlds import NOON, TAGGER, NoteKey, fields, open_log, sealed

KEY = NoteKey().verifier()
SECTIONS = Sections(generated=datetime(2026, 11, 21, 14, 5, tzinfo=UTC), keys=[KEY])
STREAMED = ("csv", "ndjson", "parquet", "ocsf", "kube-audit")
FORMATS = (*STREAMED, "oscal", "html", "evidence")
HOSTILE = {
    "markup": "<script>document.title='owned'</script>",
    "closing": "</script><img src=x onerror=alert(1)>",
    "attribute": '"><svg onload=alert(1)>',
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1+cmd|' /C calc'!A0",
    "minus": "-2+3+cmd",
    "at": "@SUM(1+1)*cmd",
    "tab": "\t=1+1",
    "return": "\r=1+1",
    "feed": "\n=1+1",
    "wide formula": "\uff1dHYPERLINK(1)",
    "apostrophe": "'=1+1",
    "separators": 'a";=1+1;"b,=1+1',
    "backslash": "\\u{41}\\\\n",
    "bidi": "\u202egnp.exe\u2066x\u2069",
    "invisible": "a\u200bb\ufeffc\u00add",
    "lines": "line\nbreak\r\n\x85\u2028\u2029end",
    "ansi": "\x1b[31mred\x1b]0;title\x07\x9b2J",
    "null": "a\x00b",
    "template": "{{constructor}}${7*7}%s%n",
    "surrogate": "\ud800 lone",
    "address": "https://evil.example/x.png",
    "long": "x" * 65_536,
    "quote": "'-alert(1)-'",
    "cdata": "]]>--><!--",
    "path": "../../../etc/passwd",
    "tags": "\U000e0041\U000e0042",
    "wide": "\U0001d54f \ufdfd \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "json": '","verdict":"allowed","x":"',
}


def many_tenants(directory: Path, count: int = 90, *, tenants: int = 3, **options: Any) -> Path:
    """A closed log of several tenants with models, waivers, policy loads and an erasure."""
    log = open_log(directory, **{"segment_bytes": 1 << 20, **options})
    log.append_now(event_record("policy-load", _common() | {"outcome": "loaded", "policies": ["p"], "count": 1}))
    for number in range(count):
        tenant = number * 7 % tenants
        more = {
            "namespace": f"canary-ns-{tenant}",
            "models": [f"hf://canary-model-{tenant}/seven-b@{'c' * 40}"],
            "waivers": [f"canary-ns-{tenant}/canary-waiver"] if number % 10 == 0 else [],
            "tags": TAGGER.of(tenant=f"canary-ns-{tenant}", user=f"user-{tenant}", name=f"web-{number}"),
            "id": f"canary-id-{tenant}-{number}",
            "uid": f"canary-uid-{tenant}-{number}",
        }
        log.append_now(decision_record(fields(number, **more)), sealed(number) if number % 2 else ())
    names = {"what": "exemption", "state": "opened", "names": ["canary-ns-2"]}
    log.append_now(event_record("break-glass", _common() | names))
    log.close_now()
    return directory


def hostile_log(directory: Path, *values: str) -> Path:
    """A log in which whoever makes a request chose these values wherever that is possible."""
    log = open_log(directory, segment_bytes=1 << 20)
    names = ("namespace", "data_class", "jurisdiction", "isolation", "subresource", "uid", "gvk", "id")
    lists = ("models", "images", "keys", "places", "policies", "waivers")
    for value in values:
        reasons = [{"code": value, "policy": value, "actions": ["Deny"]}]
        more = dict.fromkeys(names, value) | {name: [value, "second"] for name in lists}
        log.append_now(decision_record(fields(1, **more) | {"verdict": "denied", "reasons": reasons}), sealed(1))
        log.append_now(event_record("config", _common() | {"what": value}))
    log.close_now()
    return directory


def population(directory: Path, selection: Selection | None = None, *, unverified: bool = False) -> Population:
    """A log opened for exports."""
    return verified_population(directory, [KEY], selection=selection, unverified=unverified)


def exported(
    opened: Population, formats: Sequence[str], folder: Path, sections: Sections = SECTIONS
) -> dict[str, bytes]:
    """The bytes of each export; of OSCAL and the pack each file by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    write_exports(opened, [Wanted(name, str(folder / name)) for name in formats], sections)
    found: dict[str, bytes] = {}
    for name in formats:
        path = folder / name
        if path.is_dir():
            found |= {f"{name}/{one.name}": one.read_bytes() for one in path.iterdir()}
        else:
            found[name] = path.read_bytes()
        if name == "evidence":
            found |= {f"{name}/{member}": data for member, data in members(found[name]).items()}
    return found


def members(pack: bytes) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(pack)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in files.items():
            pack.writestr(name, data)
    return out.getvalue()


def json_lines(data: bytes) -> list[dict[str, Any]]:
    """Lines that end with a line feed and with nothing else."""
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def _common() -> dict[str, object]:
    return {"time": NOON + timedelta(seconds=1), "cluster": "prod-7", "region": "eu-de", "engine": "0.1.0"}
