"""The leaf: its table, its canonical bytes, and that nothing personal lies in it in clear."""

import json
import os
import zlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import RecordInvalid, decision_record, event_record
from audit.leaves.counters import Counters
from audit.leaves.leaf import Field, schemas, table_digest, written_fields
from audit.leaves.record import LEAF_LIMIT, SEALED_LIMIT, deflated, opened_fields, sealed_json
from audit.leaves.tags import Tagger, salted
from tests.audit.worlds import NOON, TAGGER, TagKey, fields

CANARIES = {
    "user": "canary-user-jane.doe@example.org",
    "groups": ("canary-group-a", "canary-group-b"),
    "address": "203.0.113.77",
    "name": "canary-object-janes-notebook",
    "tenant": "canary-namespace",
}
KINDS = {"clear", "tag", "digest", "sealed"}


def _rows() -> list[tuple[str, Field]]:
    rows = [(name, row) for name, schema in schemas().items() for row in (*schema.fields, *schema.sealed)]
    return rows + [("written", row) for row in written_fields()]


def _leaf(body: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def test_no_clear_field_is_personal() -> None:
    """Every row says in which form it is kept; nothing personal is kept in clear, and a digest is never of a person."""
    for schema, row in _rows():
        assert row.kept in KINDS, (schema, row.name)
        assert row.meaning, (schema, row.name)
        assert row.since in (1, 2, 3), (schema, row.name)
        if row.kept in ("clear", "digest"):
            assert not row.personal, (schema, row.name)
        if row.kept == "tag":
            assert row.type in ("tag", "tags"), (schema, row.name)
        if row.type in ("text", "texts"):
            assert row.limit > 0, (schema, row.name)


def test_canaries_do_not_show() -> None:
    """A record of a request full of personal values has none of them in its bytes."""
    tags = TAGGER.of(object_digest=b"\x05" * 32, **CANARIES)  # type: ignore[arg-type]  # the canaries' names
    leaf = decision_record(fields(tags=tags)).leaf(b"{}")
    assert set(tags) == {"key", "tenant", "user", "groups", "address", "name", "object"}
    for value in ("canary", "jane", "203.0.113.77", "example.org"):
        assert value.encode() not in leaf
        assert value.encode().hex().encode() not in leaf


def test_bytes_are_canonical() -> None:
    """A leaf is sorted JSON without spaces or floats, and equals what the standard library would write."""
    record = decision_record(fields(4))
    leaf = Counters('writer "ö"', "b").number([record], {0: [("k\u00e9y", b"\x01" * 32, 5)]})[0][1]
    value = json.loads(leaf, parse_float=lambda text: pytest.fail(f"a float: {text}"))
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert leaf.decode() == expected
    assert orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == leaf
    assert value["written"] == {
        "boot": "b", "by": 'writer "ö"', "seq": 1, "tenant": {"seq": 1},
        "sealed": [{"key": "k\u00e9y", "sha256": "01" * 32, "size": 5}],
    }  # fmt: skip
    assert value["schema"] == schemas()["decision"].name


def test_equal_fields_make_equal_bytes() -> None:
    """The order in which fields are given, and empty values, leave no trace."""
    given_fields = fields(1)
    other = dict(reversed(given_fields.items())) | {"models": [], "subresource": ""}
    assert decision_record(given_fields) == decision_record(other)


def test_the_log_writes_only_the_tables_fields() -> None:
    """Whatever the log adds under `written` stands in the table, and nothing else."""
    counters = Counters("w", "b")
    records = [decision_record(fields(0)), decision_record(fields(3))]
    leaf = json.loads(counters.number(records, {1: [("k", b"\x00" * 32, 1)]})[1][1])
    paths = set()
    for key, value in leaf["written"].items():
        if isinstance(value, list):
            paths |= {f"written.{key}[].{inner}" for inner in value[0]}
        elif isinstance(value, dict):
            paths |= {f"written.{key}.{inner}" for inner in value}
        else:
            paths.add(f"written.{key}")
    assert paths == {row.name for row in written_fields()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"username": "jane"}, "no field `username`"),
        ({"tags": {"user": "jane"}}, "`user`: expected 32 lower-case hex digits"),
        ({"tags": {"users": []}}, "no field `users`"),
        ({"images": "registry/x"}, "`images`: expected a list of texts, got str"),
        ({"images": [1]}, "`images`: expected a list of texts, got int"),
        ({"latency_us": 1.5}, "`latency_us`: expected a whole number, got float"),
        ({"latency_us": True}, "`latency_us`: expected a whole number, got bool"),
        ({"latency_us": -1}, "not between 0"),
        ({"latency_us": 1 << 53}, "not between 0"),
        ({"verdict": "maybe"}, "`verdict`: expected one of allowed, denied"),
        ({"verdict": ""}, "`verdict`"),
        ({"time": "yesterday"}, "`time`: expected a UTC time"),
        ({"time": datetime(2026, 1, 1)}, "must be in UTC"),  # noqa: DTZ001 — that is the point
        ({"time": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))}, "must be in UTC"),
        ({"digests": {"policies": "abc"}}, "64 lower-case hex digits"),
        ({"reasons": [{"policy": "x"}]}, "needs the field `code`"),
        ({"reasons": [{"code": "x", "message": "Jane's pod"}]}, "no field `message`"),
        ({"reasons": "x"}, "expected a list of objects"),
        ({"reasons": ["x"]}, "expected a list of objects"),
        ({"id": ""}, "needs the field `id`"),
        ({"id": None}, "needs the field `id`, got None"),
        ({"namespace": None}, "`namespace`: expected a value, got None"),
        ({"written": {}}, "no field `written`"),
        ({"schema": "x"}, "`schema` is set by whoever makes the record"),
    ],
)
def test_what_the_table_does_not_have_is_refused(change: dict[str, object], message: str) -> None:
    """An unknown field, a wrong type or a missing one never becomes a record."""
    with pytest.raises(RecordInvalid, match=message):
        decision_record(fields() | change)


def test_events() -> None:
    """Every other schema makes records too; unknown schemas don't."""
    common: dict[str, object] = {"time": NOON, "cluster": "c", "region": "r"}
    samples: dict[str, dict[str, object]] = {
        "genesis": {"origin": "o", "log_key": "k", "table": table_digest().hex()},
        "start": {"found": 3, "torn": 0, "clean": False},
        "stop": {"reason": "closed"},
        "heartbeat": {"refused": 0, "unsigned_s": 1},
        "config": {"what": "chart values", "now": "0" * 64},
        "policy-load": {"outcome": "loaded", "policies": ["a"], "count": 1},
        "key-rotation": {"purpose": "audit-log", "new_key": "k"},
        "erasure": {"sealed": ["0" * 64], "basis": "GDPR 17(1)(b)", "approvals": 2, "scope": "user"},
        "hold": {"hold": "case 7", "state": "placed", "basis": "GDPR 17(3)(e)", "scope": "all"},
        "prune": {"origin": "o", "size": 3, "root": "0" * 64, "checkpoint": "1" * 64, "until": NOON, "basis": "b"},
        "inputs": {"addresses": ["0" * 32]},
        "break-glass": {"what": "exemption", "state": "opened", "names": ["ops"]},
        "key-use": {"key_operation": "sign", "outcome": "ok", "count": 60, "begun": NOON, "request_ids": ["r1"]},
    }
    assert set(samples) == set(schemas()) - {"decision"}
    for name, more in samples.items():
        record = event_record(name, common | more)
        leaf = _leaf(record.body)
        times = {key: "2026-11-21T12:00:00.000000Z" for key, value in (common | more).items() if value == NOON}
        assert leaf == common | more | times | {"schema": schemas()[name].name}
        assert record.tenant == ""
    with pytest.raises(RecordInvalid, match="schema `party` is not in the table"):
        event_record("party", common)


def test_long_lists_are_cut_and_say_so() -> None:
    """Five thousand images become five hundred, with the digest and count of all."""
    images = [f"registry.example/image-{number}" for number in range(5000)]
    leaf = _leaf(decision_record(fields(images=images)).body)
    assert leaf["images"] == images[:500]
    assert leaf["cut"]["images"]["count"] == 5000
    again = _leaf(decision_record(fields(images=images)).body)
    other = _leaf(decision_record(fields(images=[*images[:-1], "x"])).body)
    assert again["cut"] == leaf["cut"] != other["cut"]


hostile = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(["\ud800", "\u0000", "\u202e", '"\\'])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(hostile, max_size=4),
    st.integers(1, 3000),
    st.integers(1, 250),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("namespace", "gvk", "data_class", "subresource"), hostile)),
)
def test_no_value_overflows_the_leaf(values: list[str], length: int, times: int, texts: dict[str, str]) -> None:
    """Whatever strings come, lone surrogates and control characters included, the leaf is JSON and fits its frame."""
    long = [value * length for value in values] * times
    lists = dict.fromkeys(("images", "models", "keys", "places", "policies", "waivers"), long)
    record = decision_record(fields() | lists | {name: f"x{value}" * length for name, value in texts.items()})
    leaf = Counters("w" * 253, "b" * 64).number([record], {0: [("k" * 200, b"\x00" * 32, 1 << 20)] * 8})[0][1]
    assert len(leaf) <= LEAF_LIMIT
    assert json.loads(leaf.decode("utf-8"))["schema"] == schemas()["decision"].name


def test_tags() -> None:
    """Equal values have equal tags under one key; another kind, value or key gives another tag."""
    tag = TAGGER.tag("user", "jane")
    assert len(tag) == 32
    assert TAGGER.tag("user", "jane") == tag == Tagger(TagKey()).tag("user", "jane")
    others = {TAGGER.tag("group", "jane"), TAGGER.tag("user", "joe"), Tagger(TagKey(key=b"2" * 32)).tag("user", "jane")}
    assert tag not in others
    assert len(others) == 3
    assert Tagger(TagKey()).tag("user", "\ud800") != tag
    many = Tagger(TagKey())
    assert len({many.tag("user", str(number)) for number in range(10_000)}) == 10_000
    assert many.tag("user", "jane") == tag


def test_salted_digests() -> None:
    """A digest can be confirmed with the salt, and not without it."""
    assert salted(b"salt", b"digest") == salted(b"salt", b"digest") != salted(b"other", b"digest")


def sealed_bytes(fields: dict[str, object]) -> bytes:
    """As the log's process makes it of what the webhook sends."""
    return deflated(sealed_json(fields))


def test_sealed_parts_hold_only_the_tables_fields() -> None:
    """The plaintext of a sealed part is canonical and deflated, and takes only what the table seals."""
    plain = sealed_bytes({"user": {"username": "jane"}, "patch": [{"op": "add", "path": "/x", "value": 1.5}]})
    assert opened_fields(plain)["user"] == {"username": "jane"}
    assert opened_fields(plain)["schema"] == "bailiwick.sealed/v2"
    assert plain == sealed_bytes({"patch": [{"op": "add", "path": "/x", "value": 1.5}], "user": {"username": "jane"}})
    assert len(sealed_bytes({"inputs": ["the same again"] * 1000})) < 1000
    with pytest.raises(RecordInvalid, match="no field `secret`"):
        sealed_bytes({"secret": "x"})
    with pytest.raises(RecordInvalid, match="too large"):
        sealed_bytes({"inputs": os.urandom(SEALED_LIMIT).hex()})
    with pytest.raises(RecordInvalid, match="JSON"):
        sealed_bytes({"inputs": object()})
    assert opened_fields(sealed_bytes({"name": "\ud800"}))["name"] == "\\ud800"


def test_parts_of_the_first_form_are_still_read() -> None:
    """A part that was sealed as plain JSON opens as before; what is no part is refused."""
    assert opened_fields(b'{"schema":"bailiwick.sealed/v1","name":"db"}')["name"] == "db"
    for broken in (b"", b"{", b"x\x9c", zlib.compress(b"[]"), zlib.compress(b"{}"), b"\x00" * 40):
        with pytest.raises(RecordInvalid):
            opened_fields(broken)


def test_times_are_utc_text() -> None:
    """A time is written with microseconds and a Z, whether it came as a datetime or as text."""
    for value in (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"):
        assert _leaf(decision_record(fields(time=value)).body)["time"] == "2026-01-02T03:04:05.000000Z"
