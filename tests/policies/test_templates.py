"""Templates that were corrected before."""

from dataclasses import replace
from datetime import UTC, datetime

import yaml

from policies.checking import creation
from policies.decision import Decision
from policies.request import Phase
from policies.snapshot import MemorySnapshot
from tests.policies.law import EU, US, engine_under, namespace, profile

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LAW = (EU, US, profile("eu-central-1", "us-east-1"))
BY_USER = """
apiVersion: bailiwick.dev/v1alpha1
kind: SovereigntyPolicy
metadata: {name: by-user}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}
  mutations:
  - name: host
    patchType: JSONPatch
    jsonPatch:
      expression: >-
        has(object.spec.hostname) || object.kind != 'Pod' ? []
        : [JSONPatch{op: 'add', path: '/spec/hostname', value: request.userInfo.username}]
  validations:
  - forEach: workload.pods
    expression: item.spec.hostname == request.userInfo.username
    message: made for somebody else
"""


SNAPSHOT = MemorySnapshot.of([namespace("here"), namespace("there", jurisdiction="us")])


def deployment(name, space):
    spec = {"containers": [{"name": "c", "image": "registry.example/c@sha256:" + "a" * 64}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space},
        "spec": {"template": {"spec": spec}},
    }


def engine(*texts, packs=True):
    return engine_under(*LAW, *map(yaml.safe_load, texts), packs=packs)


def decide(engine, found, user="ada"):
    request = creation(found, "default", "u")
    request = replace(request, review={**request.review, "userInfo": {"username": user}})
    decision = engine.decide(request, Phase.FAIL, SNAPSHOT, NOW)
    assert isinstance(decision, Decision)
    return decision


def test_a_template_seen_before_is_decided_as_if_it_were_new():
    """The second Deployment with the same template gets the bytes that a fresh engine gives it."""
    warm = engine()
    decide(warm, deployment("first", "here"))
    again = decide(warm, deployment("second", "here"))
    assert again.to_bytes() == decide(engine(), deployment("second", "here")).to_bytes()


def test_the_same_template_elsewhere_is_corrected_for_that_place():
    """The jurisdiction is part of what is remembered."""
    warm = engine()
    assert decide(warm, deployment("d", "here")).summary.places == ("aws.eu-central-1",)
    assert decide(warm, deployment("d", "there")).summary.places == ("aws.us-east-1",)


def test_what_depends_on_anything_else_is_never_remembered():
    """A mutation that looks at the user is made anew for each user."""
    warm = engine(BY_USER, packs=False)
    for user in ("ada", "bob", "ada"):
        assert decide(warm, deployment("d", "here"), user).allowed
