"""A field added later is a new leaf version, and leaves of every version stay readable."""

import json
from pathlib import Path

import orjson
import pytest

from audit import RecordInvalid
from audit.checks.findings import Findings
from audit.checks.record_check import RecordCheck
from audit.leaves.leaf import parse_schema, schemas
from audit.leaves.shapes import check_leaf
from audit.tlog.merkle import leaf_hash, root_hash
from tests.audit.worlds import decision

V1 = (Path(__file__).parents[1] / "vectors" / "leaves" / "v1.jsonl").read_bytes().splitlines()
ROOT_V1 = "1a706b479b14ac2b9a6c2f986376553c1cdb1e6997fbcf9bca33092c263e79c4"


def test_leaves_of_version_1_are_those_that_were_written() -> None:
    """The vector has one leaf of each schema of version 1, and their tree has the root that it had then."""
    assert {parse_schema(orjson.loads(leaf)["schema"])[1] for leaf in V1} == {1}
    assert root_hash([leaf_hash(leaf) for leaf in V1]).hex() == ROOT_V1


@pytest.mark.parametrize("leaf", V1, ids=lambda leaf: orjson.loads(leaf)["schema"])
def test_a_leaf_of_version_1_is_still_read(leaf: bytes) -> None:
    """Today's table accepts each leaf of version 1 as it stands, and knows every field in it."""
    assert check_leaf(json.loads(leaf))


def test_counters_and_erasures_of_version_1_are_still_checked() -> None:
    """Verification follows the counters through old leaves and takes their erasures as such."""
    findings = Findings()
    check = RecordCheck(findings)
    check.records(0, [leaf_hash(leaf) for leaf in V1], V1)
    assert findings.total == 0
    assert check.writers == {b"bailiwick-0": len(V1)}
    assert check.erased == {bytes.fromhex("4" * 64)} == set(check.sealed)


def test_a_schema_says_its_own_version() -> None:
    """A schema without new fields keeps its version; one with a new field carries the field's."""
    for schema in schemas().values():
        newest = max(field.since for field in (*schema.fields, *schema.sealed))
        assert parse_schema(schema.name)[1] == schema.version == newest
    assert schemas()["heartbeat"].version == 1 < schemas()["decision"].version


def test_a_newer_field_does_not_belong_into_an_older_leaf() -> None:
    """A leaf that names version 1 and holds a field of version 2 was not written by anything of ours."""
    leaf = json.loads(decision(1, inputs=["0" * 32]).leaf(b"{}"))
    assert check_leaf(leaf)
    with pytest.raises(RecordInvalid, match="no field `inputs`"):
        check_leaf(leaf | {"schema": "bailiwick.decision/v1"})
    with pytest.raises(RecordInvalid, match="would not have written"):
        check_leaf(leaf | {"namespace": ""})


def test_a_leaf_of_a_newer_release_is_not_called_broken() -> None:
    """What a newer release wrote is said to be newer, whatever it holds; what isn't ours is refused."""
    leaf = json.loads(decision(1).leaf(b"{}"))
    assert not check_leaf(leaf | {"schema": "bailiwick.decision/v999", "later": 1})
    common = {name: leaf[name] for name in ("time", "cluster", "region")}
    assert not check_leaf({"schema": "bailiwick.unheard-of/v1", **common})
    for schema in ("", "bailiwick.decision/v0", "bailiwick.decision", "other.decision/v1"):
        with pytest.raises(RecordInvalid, match="no schema of ours"):
            check_leaf(leaf | {"schema": schema})
