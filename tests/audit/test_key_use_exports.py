"""Records of key uses in everything that is made of a log: whole, harmless, and added up where people read them."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import orjson

from audit.exports.key_uses import KeyUses
from audit.leaves.record import event_record
from audit.query import Question, ask
from audit.reading import read_records
from tests.audit.exporting import FORMATS, exported, population
from tests.audit.worlds import NOON, open_log

IDS = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(60)]


def key_use(number: int, **changes: Any) -> dict[str, Any]:
    """A record's fields."""
    given: dict[str, Any] = {
        "time": NOON,
        "cluster": "prod",
        "region": "eu-de",
        "key_operation": "decrypt",
        "task": "kms-decrypt",
        "outcome": "ok",
        "count": len(IDS),
        "asked": len(IDS),
        "begun": NOON,
        "ended": NOON,
        "key": "bwk1.AAAAAAAAAAAAAAAAAAAAAA",
        "key_version": 3,
        "key_region": "eu-de",
        "lineage": "AAAAAAAAAAAAAAAAAAAAAA",
        "purpose": "etcd",
        "service_key": "etcd",
        "request_ids": IDS,
        "source": f"page/{number}",
    }
    return given | changes


def used(directory: Path) -> Path:
    """A closed log with such records: four kinds of use, one page taken up twice, one hostile."""
    log = open_log(directory, segment_bytes=1 << 20)
    for number in range(3):
        log.append_now(event_record("key-use", key_use(number)))
    log.append_now(event_record("key-use", key_use(2)))
    log.append_now(event_record("key-use", key_use(3, key_operation="sign", task="checkpoint", outcome="Sealed")))
    log.append_now(event_record("key-use", key_use(4, task="<script>alert(1)</script>", purpose="=1+1", count=1)))
    bare = {"key_operation": "unreadable", "outcome": "unreadable", "count": 2}
    log.append_now(event_record("key-use", {name: key_use(0)[name] for name in ("time", "cluster", "region")} | bare))
    log.close_now()
    return directory


def test_every_export_takes_them(tmp_path: Path) -> None:
    """All formats are written; what has rows and objects holds each record whole, what holds decisions none."""
    log = used(tmp_path / "log")
    found = exported(population(log), FORMATS, tmp_path / "out")
    leaves = [record.fields for record in read_records(log) if record.fields["schema"].startswith("bailiwick.key-use/")]
    lines = [orjson.loads(line) for line in found["ndjson"].splitlines()]
    assert [line["leaf"] for line in lines if line["leaf"]["schema"].startswith("bailiwick.key-use/")] == leaves
    rows = list(csv.DictReader(io.StringIO(found["csv"].decode("utf-8-sig"))))
    counted = [row for row in rows if row["schema"].startswith("bailiwick.key-use/")]
    assert [int(row["count"]) for row in counted] == [leaf["count"] for leaf in leaves]
    assert json.loads(counted[0]["request_ids"]) == IDS
    assert not any(row["further"] for row in counted)
    assert found["ocsf"] == found["kube-audit"] == b""


def test_the_report_adds_them_up(tmp_path: Path) -> None:
    """One line for each kind of use, with the sum; a page taken up twice counts once; none stands among the events."""
    page = exported(population(used(tmp_path / "log")), ["html"], tmp_path / "out")["html"].decode()
    shown = page[: page.index('<script type="application/octet-stream"')]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", shown)]
    uses = {tuple(row[1:3]): row for row in rows if len(row) == 8}
    assert uses["decrypt", "kms-decrypt"][0] == "180"
    assert uses["decrypt", "kms-decrypt"][3:6] == ["bwk1.AAAAAAAAAAAAAAAAAAAAAA v3", "etcd", "ok"]
    assert uses["sign", "checkpoint"][5] == "Sealed"
    assert uses["unreadable", ""][0] == "2"
    assert "<script>alert" not in shown
    assert not any("key-use" in cell for row in rows for cell in row if len(row) == 4)


def test_a_query_finds_them(tmp_path: Path) -> None:
    """They are in the index under their kind."""
    log = used(tmp_path / "log")
    answer = ask(log, Question({"schema": ("key-use",)}, None, None), 10, folder=tmp_path / "index")
    assert answer.count == 7


def test_sums_stay_small() -> None:
    """However many kinds and pages there are, what is remembered is bounded, and no use is lost."""
    sums = KeyUses()
    for number in range(30_000):
        sums.add({"key": f"k{number}", "count": 1, "source": f"s{number}"})
    assert len(sums.by_kind) <= 10_001
    assert sum(used.count for used in sums.by_kind.values()) == 30_000
