import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from audit.leaves.drafts import made
from audit.leaves.leaf import schemas
from audit.leaves.record import opened_fields
from audit.leaves.tags import Tagger
from audit.ports import Envelope
from policies.decision import Decision, Inputs, Reason, Summary, Verdict
from policies.request import Phase
from tests.webhook.fakes import OpenEnvelope, OpenSealer
from tests.webhook.parts import KeyedHash
from tests.webhook.reviews import encoded, recorded
from webhook.log.whereabouts import Whereabouts, sealing_to
from webhook.reviews.judge import Call, Judged
from webhook.reviews.recording import LAST_APPLIED, DecisionRecording
from webhook.reviews.review import parse_review

NOW = datetime(2026, 11, 21, 12, 0, 0, 250, tzinfo=UTC)
INPUTS = Inputs(b"r" * 32, b"s" * 32, b"p" * 32, b"d" * 32, "bailiwick/0.1")
DENIED = Decision(
    Verdict.DENIED,
    (Reason("image-not-pinned", "provenance", "image `a` of anna is not pinned", "spec", "use a digest"),),
    warnings=("soon refused",),
    patch=({"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},),
    policies=("placement", "provenance"),
    waivers=("inference/gpu",),
    summary=Summary("restricted", "eu", ("aws.eu-central-1",), "exclusive", ("hf:a@1",), ("a@sha256:1",), ("vault:k",)),
    inputs=INPUTS,
)
WHERE = Whereabouts("cluster-a", "eu-central", "eu")
PASSWORD = "aHVudGVyMg=="


def recording(entropy: bytes = b"s") -> DecisionRecording:
    return DecisionRecording(WHERE, Tagger(KeyedHash()), lambda size: entropy * size)


def call_of(body: bytes, phase: Phase = Phase.FAIL) -> Call:
    return Call(parse_review(body), phase, body, time.monotonic(), time.monotonic() + 5, "192.0.2.1")


def recorded_as(
    body: bytes, decision: Decision = DENIED, phase: Phase = Phase.FAIL
) -> tuple[dict[str, Any], dict[str, Any], OpenEnvelope]:
    draft, parts = recording()(Judged(call_of(body, phase), decision, "d-1", NOW, 0.000250))
    envelopes: list[Envelope] = []

    def seal(plain: bytes, namespace: str) -> Envelope:
        envelopes.append(sealing_to(WHERE, OpenSealer())(plain, namespace))
        return envelopes[-1]

    record, _ = made(draft, parts, seal)
    (envelope,) = envelopes
    assert isinstance(envelope, OpenEnvelope)
    return orjson.loads(record.body), opened_fields(envelope.data), envelope


def test_leaf() -> None:
    """The leaf holds what queries and registers need."""
    leaf, _, _ = recorded_as(encoded())
    clear = {name: leaf[name] for name in ("id", "uid", "gvk", "operation", "phase", "verdict", "namespace", "cluster")}
    assert clear == {
        "id": "d-1",
        "uid": "c4d722ae",
        "gvk": "apps/v1/Deployment",
        "operation": "CREATE",
        "phase": "validate-fail",
        "verdict": "denied",
        "namespace": "inference",
        "cluster": "cluster-a",
    }
    assert leaf["reasons"] == [{"code": "image-not-pinned", "policy": "provenance", "actions": ["Deny"]}]
    assert (leaf["policies"], leaf["waivers"]) == (["placement", "provenance"], ["inference/gpu"])
    assert (leaf["data_class"], leaf["places"], leaf["models"]) == ("restricted", ["aws.eu-central-1"], ["hf:a@1"])
    assert (leaf["time"], leaf["latency_us"]) == ("2026-11-21T12:00:00.000250Z", 250)


def test_nothing_personal_in_clear() -> None:
    """Names, groups, addresses, messages and objects are not in the leaf, only keyed tags of them."""
    leaf, _, _ = recorded_as(encoded(name="annas-model"))
    for personal in (b"anna", b"tenants", b"192.0.2.1", b"not pinned", b"labels", b"soon refused"):
        assert personal not in orjson.dumps(leaf)
    assert set(leaf["tags"]) == {"key", "tenant", "user", "groups", "address", "name", "object"}


def test_sealed() -> None:
    """The sealed part holds the rest: who, what was said, the patch, and the review as it came."""
    body = encoded()
    _, sealed, envelope = recorded_as(body)
    assert sealed["user"]["username"] == "anna@example.org"
    assert sealed["messages"]["reasons"][0]["message"] == "image `a` of anna is not pinned"
    assert sealed["patch"] == list(DENIED.patch)
    assert (sealed["name"], sealed["address"]) == ("vllm", "192.0.2.1")
    assert sealed["inputs"]["review"] == orjson.loads(body)
    bound = envelope.bound
    assert (bound.region, bound.jurisdiction, bound.purpose, bound.cluster, bound.tenant) == (
        "eu-central",
        "eu",
        "audit-archive",
        "cluster-a",
        "inference",
    )


def test_digests_are_salted() -> None:
    """Equal inputs have different digests in the leaf under different salts; the salt is sealed."""
    first, sealed, _ = recorded_as(encoded())
    second, _ = recording(b"t")(Judged(call_of(encoded()), DENIED, "d-2", NOW, 0.0))
    assert set(first["digests"]) == {"decision", "request", "snapshot", "policies", "data"}
    assert not set(first["digests"].values()) & set(orjson.loads(second.fields)["digests"].values())
    assert bytes.fromhex(sealed["salt"]) == b"s" * 16


def test_records_of_one_request_are_joined() -> None:
    """Calls of one request have different uids; the tag of the request's digest joins their records."""
    first, _, _ = recorded_as(encoded("u-1"), phase=Phase.FAIL)
    second, _, _ = recorded_as(encoded("u-2"), phase=Phase.IGNORE)
    assert first["uid"] != second["uid"]
    assert first["tags"]["object"] == second["tags"]["object"]


def secret(**changes: Any) -> dict[str, Any]:
    metadata = {"name": "db", "annotations": {LAST_APPLIED: f'{{"data":{{"password":"{PASSWORD}"}}}}', "team": "a"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": PASSWORD}} | changes


SECRET_KIND = {"group": "", "version": "v1", "kind": "Secret"}
SECRETS = {"group": "", "version": "v1", "resource": "secrets"}
OTHER_KIND = {"group": "", "version": "v1", "kind": "Thing"}
OTHERS = {"group": "", "version": "v1", "resource": "things"}


@pytest.mark.parametrize(
    "changes",
    [
        {"object": secret()},
        {"object": secret(stringData={"password": PASSWORD}, data=None)},
        {"object": secret(data=[PASSWORD])},
        {"operation": "UPDATE", "object": secret(data={}), "oldObject": secret()},
        {"operation": "DELETE", "object": None, "oldObject": secret()},
        {"object": secret(), "kind": OTHER_KIND, "resource": OTHERS},
        {"object": secret(kind=None), "kind": OTHER_KIND},
    ],
    ids=["data", "stringData", "malformed", "update", "delete", "by-object", "by-resource"],
)
def test_data_of_secrets(changes: dict[str, Any]) -> None:
    """The data of a Secret goes nowhere, however the Secret came: not in clear, not sealed, not as kubectl's copy."""
    body = encoded(**({"kind": SECRET_KIND, "resource": SECRETS} | changes))
    assert PASSWORD.encode() in body
    put = ({"op": "replace", "path": "/data/password", "value": PASSWORD},)
    decision = Decision(Verdict.MUTATED, patch=put, inputs=INPUTS)
    leaf, sealed, _ = recorded_as(body, decision, Phase.MUTATE)
    assert PASSWORD not in orjson.dumps(leaf).decode()
    assert PASSWORD not in orjson.dumps(sealed).decode()


def test_rest_of_secrets() -> None:
    """Of a Secret, the keys of its data and everything else stay, for whoever replays the decision."""
    body = encoded(kind=SECRET_KIND, resource=SECRETS, object=secret())
    _, sealed, _ = recorded_as(body)
    kept = sealed["inputs"]["review"]["request"]["object"]
    assert kept["data"] == {"password": None}
    assert kept["metadata"]["annotations"] == {LAST_APPLIED: None, "team": "a"}
    assert sealed["inputs"]["review"]["withheld"] == "data"
    assert sealed["patch"] == list(DENIED.patch)  # a label is no secret


@pytest.mark.parametrize("scene", recorded())
def test_recorded_reviews(scene: str) -> None:
    """Every review that a real API server sent has a record, within the leaf's table."""
    leaf, sealed, _ = recorded_as(recorded()[scene])
    assert leaf["schema"] == schemas()["decision"].name
    assert sealed["inputs"]["review"]["kind"] == "AdmissionReview"
