"""Decisions that were asked for before are those that would be made anew."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policies.cel.parser import parse as parse_cel
from policies.checking import creation
from policies.consulted import Consulted
from policies.deciding.recall import question_of, sees_uid
from policies.request import Arrived, Phase
from policies.snapshot import MemorySnapshot
from tests.policies.law import engine_under, namespace, ours, profile
from webhook.reviews.review import parse_review

TEXT = b'{"uid":"%b","name":"n-%b"}'
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TO_US = {"name": "us", "to": {"countries": ["US"]}, "what": ["backups"], "basis": "GDPR 45", "expires": "2026-11-02"}
LAW = (
    ours("Jurisdiction", "eu", {"locatedIn": {"sets": ["EU"]}, "transfers": [TO_US]}),
    profile("eu-central-1", "us-east-1"),
)
BY_UID = """
apiVersion: bailiwick.dev/v1alpha1
kind: SovereigntyPolicy
metadata: {name: by-uid}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}
  validations:
  - expression: dyn(request).uid != 'bad'
    message: a bad uid
"""


def engine(*more):
    return engine_under(*LAW, *map(yaml.safe_load, more))


def here(data_class="confidential", jurisdiction="eu", **labels):
    return namespace("here", data_class, jurisdiction, **labels)


def node(region):
    labels = {"topology.kubernetes.io/region": region}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"n-{region}", "labels": labels},
        "spec": {"providerID": f"aws:///{region}a/i-1"},
    }


def pod(region="eu-central-1", image="registry.example/c@sha256:" + "a" * 64):
    selector = {"topology.kubernetes.io/region": region} if region else {}
    spec = {"containers": [{"name": "c", "image": image}], "nodeSelector": selector}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "here"}, "spec": spec}


def deployment(region="eu-central-1"):
    made = pod(region)
    template = {"metadata": {"labels": {"a": "b"}}, "spec": made["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "here"},
        "spec": {"template": template, "selector": {"matchLabels": {"a": "b"}}},
    }


def backup(region="eu-central-1"):
    return {
        "apiVersion": "velero.io/v1",
        "kind": "BackupStorageLocation",
        "metadata": {"name": "b", "namespace": "here"},
        "spec": {
            "provider": "aws",
            "objectStorage": {"bucket": "b"},
            "config": {"region": region, "kmsKeyId": f"arn:aws:kms:{region}:1:key/k"},
        },
    }


def review_of(request):
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request.review})


LASTING = engine()
snapshots = st.builds(
    lambda data_class, jurisdiction, regions, other: MemorySnapshot.of(
        [here(data_class, jurisdiction, other=other), *map(node, regions)]
    ),
    st.sampled_from(["public", "confidential", "restricted", "nonsense"]),
    st.sampled_from(["eu", "us", ""]),
    st.sets(st.sampled_from(["eu-central-1", "us-east-1"])),
    st.sampled_from(["x", "y"]),
)
objects = st.builds(
    lambda make, region: make(region),
    st.sampled_from([pod, deployment, backup]),
    st.sampled_from(["eu-central-1", "us-east-1", ""]),
)


@given(objects, snapshots, st.sampled_from(Phase), st.sampled_from([0, 12, 24, 48]), st.sampled_from(["u", "v"]))
def test_remembered_is_what_would_be_decided(found, snapshot, phase, hours, uid):
    """An engine that has decided all sorts of things before gives the very bytes that a fresh one gives."""
    request, now = creation(found, "default", uid), NOW + timedelta(hours=hours)
    fresh = engine()
    assert (
        LASTING.decide(request, phase, snapshot, now).to_bytes()
        == fresh.decide(request, phase, snapshot, now).to_bytes()
    )


@given(st.lists(st.tuples(objects, st.uuids().map(str)), min_size=2, max_size=2))
def test_equal_questions_are_equal_requests(asked):
    """As they come over the wire: the same question only for requests that differ in their uid alone."""
    (one, first), (other, second) = asked
    reviews = [review_of(creation(found, "default", uid)) for found, uid in ((one, first), (other, second))]
    questions = [question_of(parse_review(review)) for review in reviews]
    assert (questions[0] == questions[1]) is (one == other)


def test_a_uid_that_stands_elsewhere():
    """A uid that an object happens to hold is part of the question, where it isn't the request's own."""
    pairs = ((b"a1", b"a1"), (b"b2", b"b2"), (b"b2", b"a1"), (b"a1", b""))
    asked = [
        replace(made := creation(pod(), "default", uid.decode()), arrived=Arrived(made.review, TEXT % (uid, name)))
        for uid, name in pairs
    ]
    questions = [question_of(request) for request in asked]
    assert questions[0] == questions[2]  # both ask for `n-a1`
    assert len(set(questions)) == 3


def test_another_review_than_arrived():
    """A request that was changed after it came is asked as it is now, not as it came."""
    came = parse_review(review_of(creation(pod(), "default", "u")))
    changed = replace(came, review={**came.review, "name": "another"})
    assert question_of(changed) != question_of(came)
    assert question_of(changed) != question_of(replace(changed, review={**came.review, "name": "a-third"}))


def test_what_was_read_is_read_again():
    """A remembered decision reads again what it was made from, so that its record names the same inputs."""
    rules, snapshot = engine(), MemorySnapshot.of([here()])
    first, again = Consulted(snapshot), Consulted(snapshot)
    made = rules.decide(creation(pod(), "default", "u"), Phase.FAIL, first, NOW)
    assert rules.decide(creation(pod(), "default", "v"), Phase.FAIL, again, NOW) is made
    assert again.document() == first.document()


def test_the_snapshot_may_change_elsewhere():
    """What wasn't read may change; the decision then names the new snapshot, and says the same otherwise."""
    rules, asked = engine(), creation(pod(), "default", "u")
    before = MemorySnapshot.of([here()])
    after = before.with_objects([node("us-east-1")])
    first, second = (rules.decide(asked, Phase.FAIL, snapshot, NOW) for snapshot in (before, after))
    assert second.inputs.snapshot == after.digest != before.digest
    assert replace(second, inputs=first.inputs) == first


def test_a_transfer_that_lapses():
    """What a transfer allowed yesterday is refused today, however often it was asked for yesterday."""
    rules, snapshot = engine(), MemorySnapshot.of([here()])
    decisions = [
        rules.decide(creation(backup("us-east-1"), "default", "u"), Phase.FAIL, snapshot, NOW + timedelta(days=day))
        for day in (0, 0, 1, 2, 2)
    ]
    outside = [any(reason.code == "data-outside-jurisdiction" for reason in decision.reasons) for decision in decisions]
    assert outside == [False, False, False, True, True]


def test_equal_requests_with_other_uids():
    """A policy that reads the request's uid is asked each time."""
    rules, snapshot = engine(BY_UID), MemorySnapshot.of([here("public")])
    decisions = [rules.decide(creation(pod(), "default", uid), Phase.FAIL, snapshot, NOW) for uid in ("good", "bad")]
    assert [decision.allowed for decision in decisions] == [True, False]


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("request.uid == 'a'", True),
        ("has(request.uid)", True),
        ("request.?uid.hasValue()", True),
        ("request['uid'] == 'a'", True),
        ("request[object.field] == 'a'", True),
        ("[request].size() == 1", True),
        ("[1].all(i, request == request)", True),
        ("object.items.exists(i, i == request.uid)", True),
        ("request.name == 'a' && has(request.userInfo) && request.?subResource.orValue('') == ''", False),
        ("request.userInfo.uid == 'a'", False),
        ("object.metadata.uid == 'a'", False),
    ],
)
def test_who_sees_the_uid(source, seen):
    """Every way of reading the request's own uid is seen; its other fields, and other uids, are no matter."""
    assert sees_uid(parse_cel(source)) is seen
