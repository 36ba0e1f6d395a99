"""Templates that were corrected before."""

from dataclasses import replace
from datetime import UTC, datetime

import yaml

from policies.checking import creation
from policies.decision import Decision
from policies.kinds import parse
from policies.loading import engine_for, rulebook_of
from policies.packs import builtin
from policies.request import Phase
from policies.snapshot import MemorySnapshot

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LAW = """
apiVersion: bailiwick.dev/v1alpha1
kind: Jurisdiction
metadata: {name: eu}
spec: {locatedIn: {sets: [EU]}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: Jurisdiction
metadata: {name: us}
spec: {locatedIn: {countries: [US]}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: ClusterProfile
metadata: {name: cluster}
spec: {cluster: test, providers: [{name: aws, regions: [eu-central-1, us-east-1]}]}
"""
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


def namespace(name, jurisdiction):
    labels = {"bailiwick.dev/data-class": "confidential", "bailiwick.dev/jurisdiction": jurisdiction}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


SNAPSHOT = MemorySnapshot.of([namespace("here", "eu"), namespace("there", "us")])


def deployment(name, space):
    spec = {"containers": [{"name": "c", "image": "registry.example/c@sha256:" + "a" * 64}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space},
        "spec": {"template": {"spec": spec}},
    }


def engine(*texts, packs=True):
    kinds = [parse(found) for text in (LAW, *texts) for found in yaml.safe_load_all(text)]
    return engine_for(rulebook_of(builtin() if packs else (), kinds), "test")


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
