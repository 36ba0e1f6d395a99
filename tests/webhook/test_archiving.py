"""What goes into the archive beside a record, and when it goes out of it again."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from audit.checks.verify import verify_log
from audit.reading import read_records
from audit.sealed.inputs import Origin
from audit.verbs.places import verifier_keys
from audit.whole import WholeFiles
from policies.consulted import Consulted
from policies.decision import Decision, Inputs, Verdict
from policies.gathering import engine_of
from policies.replaying import Outcome
from policies.snapshot import MemorySnapshot, Ref
from tests.webhook.decided import Decided
from webhook.log.orders import Clerk, Orders
from webhook.log.state import open_log
from webhook.options import Options
from webhook.reviews.archiving import Archived, Archiving
from webhook.reviews.recording import emptied

PASSWORD = "aHVudGVyMg=="


class Addresses:
    """An archive that names everything by its digest."""

    def address(self, digest: bytes) -> str:
        return digest.hex()[:32]


def _object(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


def archived(*read: Ref) -> Archived:
    """What is archived for a decision that read these."""
    held = [
        _object("Secret", "db", "clinic", data={"password": PASSWORD}, stringData={"x": PASSWORD}),
        _object("Namespace", "clinic"),
        _object("Node", "n1"),
        _object("PersistentVolumeClaim", "data", "clinic"),
    ]
    consulted = Consulted(MemorySnapshot.of(held))
    for ref in read:
        consulted.get(ref)
    engine = engine_of((), "0.1.0", packs=False)
    archiving = Archiving(Addresses(), withheld=emptied)
    archiving.in_force(engine.law)
    inputs = Inputs(policies=engine.digest, data=engine.law.data_digest)
    return archiving.of(Decision(Verdict.ALLOWED, inputs=inputs), consulted)


def test_the_data_of_a_secret_that_rules_read() -> None:
    """A Secret of the cluster is archived without its data, whichever rule looked at it; its keys stay."""
    found = archived(Ref("", "Secret", "clinic", "db"))
    written = orjson.dumps([one.content() for one in found.needs]).decode() + orjson.dumps(found.document).decode()
    assert PASSWORD not in written
    assert '"password":null' in written


def test_inputs_belong_to_their_namespace() -> None:
    """A namespace and what lies in it are sealed for it, nodes and rules for the cluster."""
    refs = (Ref("", "Namespace", "", "clinic"), Ref("", "PersistentVolumeClaim", "clinic", "data"))
    found = archived(*refs, Ref("", "Node", "", "n1"))
    assert [one.tenant for one in found.needs] == ["", "clinic", "clinic", ""]
    assert len(found.addresses) == 4


def test_nothing_that_was_not_read() -> None:
    """The rest of the cluster is not archived, and a decision that nobody made has no inputs."""
    assert len(archived().needs) == 1  # the rules
    archiving = Archiving(Addresses(), withheld=emptied)
    assert archiving.of(Decision(Verdict.DENIED), None) == Archived()


def test_retention_times(decided: Decided, tmp_path: Path) -> None:
    """Each class by its own time, all others by the general one, and what they share when the longest is over."""
    copy = decided.copy(tmp_path / "state")
    classes = {str(r.fields.get("data_class", "")) for r in copy.records("decision")}
    assert len(classes) > 1
    order = {"do": "expire", "days": 100, "classes": {"restricted": 300}, "basis": "retention time"}

    def after(days: int) -> dict[Outcome, set[str]]:
        _expired(copy, order, days)
        outcomes: dict[Outcome, set[str]] = {}
        classes_of = {r.index: str(r.fields.get("data_class", "")) for r in copy.records("decision")}
        for line in copy.lines():
            outcomes.setdefault(line.then.outcome, set()).add(classes_of[line.index])
        return outcomes

    assert Outcome.ERASED not in after(99)
    assert after(101)[Outcome.ERASED] == classes - {"restricted"}
    assert after(301)[Outcome.ERASED] == classes
    shared = len(copy.records("erasure"))
    after(301)
    assert len(copy.records("erasure")) == shared, "nothing is erased twice"
    after(303)
    assert any(leaf.get("record_class") == "inputs" for leaf in _leaves(copy, "erasure"))
    assert verify_log(copy.log, verifier_keys(copy.log, ())).ok


def _leaves(decided: Decided, schema: str) -> list[Any]:
    return [record.fields for record in decided.records(schema)]


def _expired(decided: Decided, order: dict[str, Any], days: int) -> None:
    """So many days later, somebody orders it."""
    orders = Orders(decided.state / "orders")
    name = orders.put(order)
    first = next(iter(read_records(decided.log, 0, 1))).fields
    options = Options("0.1.0", state=str(decided.state), region=first["region"], cluster_name=first["cluster"])
    keyring = decided.keyring()
    log = open_log(dataclasses.replace(options, writer=first["written"]["by"]), keyring)
    try:
        clock = datetime.now(UTC) + timedelta(days=days)
        origin = Origin("cluster", "local", "0.1.0")
        Clerk(log, WholeFiles(decided.log), origin, keyring, lambda: clock, keep_days=100).attend(orders)
    finally:
        log.close_now()
    said = orders.answered(name)
    assert said is not None
    assert "error" not in said, said
