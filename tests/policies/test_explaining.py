"""An explanation: what an object boils down to, with lines; where its pods could run; what the webhook would add."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.explaining import Explanation, PodExplained, explain, in_words
from policies.gathering import Given, gather
from policies.geography import ANYWHERE, NOWHERE, UNPLACED, PlaceSet
from policies.json import canonical
from policies.manifests import Document, read_documents
from policies.patch import apply, resolve
from policies.verbs.explained import render

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
SAMPLES = ROOT.parent / "shared" / "corpora" / "workload-samples"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
INSIDE = {"aws.eu-central-1", "aws.eu-west-3", "scaleway.fr-par"}

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: clinic}
spec:
  containers:
  - name: c
    image: registry.example/c:v1
  nodeSelector:
    topology.kubernetes.io/region: eu-central-1
    bailiwick.node-restriction.kubernetes.io/place: aws.eu-west-3
  affinity:
    nodeAffinity:
      preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {}}]
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
        - matchExpressions:
          - key: bailiwick.node-restriction.kubernetes.io/place
            operator: NotIn
            values: [aws.us-east-1]
  tolerations: [{operator: Exists}]
  schedulerName: mine
  volumes:
  - name: v
    persistentVolumeClaim: {claimName: nobody-saw-it}
"""


@cache
def quickstart() -> Given:
    folders = (str(QUICKSTART / name) for name in ("manifests", "rules", "cluster"))
    manifests, rules, cluster = folders
    return gather([manifests], [rules], [cluster], "test")


def explained(document: Document, namespace: str = "clinic") -> Explanation:
    return explain(document, quickstart().engine, quickstart().snapshot, NOW, namespace)


def of_quickstart(name: str) -> Explanation:
    return next(one for one in map(explained, quickstart().documents) if one.name == name)


def written(text: str) -> Explanation:
    (document,) = read_documents(text, "f.yaml")
    assert isinstance(document, Document)
    return explained(document)


def only_pod(found: Explanation) -> PodExplained:
    (pod,) = found.pods
    return pod


def test_every_line_is_the_one_that_a_reader_finds() -> None:
    """What the quickstart names by a reference, a resource or a bucket is written on the line that is shown."""
    seen = 0
    for document in quickstart().documents:
        lines = Path(document.source).read_text().splitlines()
        for one in explained(document).found:
            said = next((one.value[key] for key in ("reference", "bucket", "resource") if one.value.get(key)), None)
            if said and one.value.get("mechanism") != "dra":
                assert str(said) in lines[one.line - 1], (document.source, one)
                seen += 1
    assert seen > 20


def test_a_pod_that_says_nothing_could_be_anywhere_and_is_corrected() -> None:
    """As written anywhere; with what the webhook adds, exactly the declared places that are inside."""
    pod = only_pod(of_quickstart("vllm-mistral"))
    assert pod.written == ANYWHERE
    assert pod.corrected == PlaceSet.of(INSIDE)
    assert {row.code for row in pod.rows if row.corrected} == INSIDE
    (virginia,) = (row for row in pod.rows if row.refusals)
    assert (virginia.code, virginia.written, virginia.refusals) == (
        "aws.us-east-1",
        True,
        ("`aws.us-east-1` is located in US",),
    )
    assert not pod.refusals


@pytest.mark.parametrize("name", ["vllm-mistral", "or-else", "batch-embed"])
def test_what_the_webhook_would_add_is_what_it_adds(name: str) -> None:
    """For objects corrected where they stand, the additions make the object that the decision's own patch makes."""
    found = of_quickstart(name)
    assert found.case.patch
    shown = [{"op": "add", "path": each.path, "value": each.value} for each in only_pod(found).additions]
    assert canonical(apply(found.document.value, shown)) == canonical(apply(found.document.value, found.case.patch))


def test_a_template_that_is_not_corrected_here_says_so() -> None:
    """The Deployment's pods get the constraint when they are made: the additions name the place in the template."""
    found = of_quickstart("vllm-llama")
    pod = only_pod(found)
    assert not pod.planned
    assert not found.case.patch
    assert all(each.path.startswith("/spec/template/spec/affinity") for each in pod.additions)
    assert pod.corrected == PlaceSet.of(INSIDE)


def test_each_constraint_has_its_line_and_what_it_leaves() -> None:
    """In the order in which they narrow; what only looks like a constraint is named with the reason."""
    pod = only_pod(written(POD))
    told = [(each.line, each.path.partition(".")[2].partition(".")[0].partition("[")[0]) for each in pod.narrowings]
    assert told == [(10, "nodeSelector"), (17, "affinity")]
    assert [each.leaves for each in pod.narrowings] == [PlaceSet.of({"aws.eu-west-3"})] * 2
    assert {each.line: each.why.split()[0] for each in pod.uncounted} == {
        9: "a",  # a kubelet may set this label
        13: "a",  # a preference
        20: "lets",
        21: "another",
    }
    assert any("nobody-saw-it" in missing for missing in pod.unresolved)


def test_claims_for_devices_are_told_of_beside_what_counts() -> None:
    """With their line, and that they keep the pod nowhere: its places are what they were."""
    without, claiming = POD, POD + "  resourceClaims: [{name: gpu, resourceClaimName: nobody-saw-it-either}]\n"
    pod = only_pod(written(claiming))
    assert (pod.written, pod.unresolved) == (only_pod(written(without)).written, only_pod(written(without)).unresolved)
    (told,) = [each for each in pod.uncounted if each.path == "spec.resourceClaims[0]"]
    assert (told.line, told.why.split(";")[0]) == (25, "claim `nobody-saw-it-either` is not known here")


def test_a_spec_that_stands_in_the_template_itself_has_its_own_path() -> None:
    """LLMInferenceService keeps the pod's fields without a `spec`: path and line are where they are written."""
    found = of_quickstart("qwen")
    (narrowing,) = only_pod(found).narrowings
    assert narrowing.path.startswith("spec.template.nodeSelector[")
    assert narrowing.line == 18
    assert only_pod(found).refusals == ("`aws.us-east-1` is located in US",)


def test_an_unknown_namespace_is_said_to_be_unknown() -> None:
    """Without the namespace nobody knows class and jurisdiction; what the object holds is explained all the same."""
    found = written(POD.replace("namespace: clinic", "namespace: elsewhere"))
    assert "elsewhere" in found.bound.unknown
    assert found.case.outcome == "undetermined"
    assert [one.fact for one in found.found] == ["images"]
    assert only_pod(found).written == PlaceSet.of({"aws.eu-west-3"})


def test_a_kind_that_nobody_knows_is_found_by_its_shape() -> None:
    """A custom resource with a pod template in it, and one without anything, are told apart."""
    shaped = "apiVersion: x.example/v1\nkind: Thing\nspec: {template: {spec: {containers: [{name: c, image: i}]}}}\n"
    bare = "apiVersion: x.example/v1\nkind: Thing\nspec: {size: 3}\n"
    assert (written(shaped).recognised, written(bare).recognised) == ("by its shape", "not known")
    assert len(written(shaped).pods) == 1
    assert not written(bare).pods


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (NOWHERE, "nowhere"),
        (ANYWHERE, "anywhere, also at places that nobody has declared"),
        (PlaceSet.of({"a.b"}), "only at a.b"),
        (PlaceSet.of({"a.b", "a.c", "a.d"}), "only at a.b, a.c or a.d"),
        (PlaceSet.of({"a.b", UNPLACED}), "only at a.b or on a node without a place label"),
        (PlaceSet.of({UNPLACED}), "only on a node without a place label"),
        (PlaceSet.excluding({"a.b", "a.c"}), "anywhere but a.b and a.c, also at places that nobody has declared"),
        (
            PlaceSet.excluding({UNPLACED}),
            "anywhere that has a place label, also at places that nobody has declared",
        ),
        (
            PlaceSet.excluding({"a.b", UNPLACED}),
            "anywhere but a.b and a node without a place label, also at places that nobody has declared",
        ),
    ],
)
def test_sets_in_words(places: PlaceSet, words: str) -> None:
    """Finite sets name their places, co-finite ones what they leave out."""
    assert in_words(places) == words


@cache
def sampled() -> tuple[Document, ...]:
    found: list[Document] = []
    for path in sorted(SAMPLES.rglob("*.y*ml")):
        read = read_documents(path.read_text(errors="replace"), str(path.relative_to(SAMPLES)))
        found += [one for one in read if isinstance(one, Document)]
    return tuple(found)


def holds(found: Explanation) -> None:
    """What every explanation keeps, whatever the object is."""
    for pod in found.pods:
        assert pod.line >= found.document.line
        left = ANYWHERE
        for each in pod.narrowings:
            assert each.leaves <= left
            left = each.leaves
        assert left == pod.written
        assert pod.corrected is None or pod.corrected <= pod.written
        for row in pod.rows:
            assert row.written is (row.code in pod.written)
    for one in found.found:
        assert one.line >= found.document.line
    for output in ("table", "json", "yaml"):
        assert render([found], (), output).endswith("\n")


@pytest.mark.skipif(not SAMPLES.exists(), reason="the corpus of workload samples is not beside the checkout")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_object_of_the_samples_is_explained(data: st.DataObject) -> None:
    """Every manifest of other people's projects: no crash, narrowing only narrows, corrections never widen."""
    holds(explained(data.draw(st.sampled_from(sampled()))))


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _paths(each, (*path, key))


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 1.5, "", "x", "\x00", [], {}, [[]], [None], {"": None}, {"a": {"b": []}}]
)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the corpus of workload samples is not beside the checkout")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_broken_object_is_explained_too(data: st.DataObject) -> None:
    """The same with one value replaced by something of another type."""
    document = data.draw(st.sampled_from((*sampled(), *quickstart().documents)))
    broken: Any = copy.deepcopy(dict(document.value))
    path = data.draw(st.sampled_from([path for path in _paths(broken) if path]))
    parent = resolve(broken, [str(part) for part in path[:-1]])
    parent[path[-1]] = data.draw(JUNK)
    holds(explained(Document(document.source, document.line, broken, path=document.path, lines=document.lines)))


def test_what_lies_in_no_namespace_shows_whose_law_it_is_under() -> None:
    """A volume has the jurisdiction of its claim's namespace, not one of its own, and says where it lies."""
    text = """\
apiVersion: v1
kind: PersistentVolume
metadata: {name: v}
spec:
  claimRef: {namespace: clinic, name: c}
  nfs: {server: fs-1.efs.us-east-1.amazonaws.com, path: /}
"""
    (document,) = (one for one in read_documents(text, "v.yaml") if isinstance(one, Document))
    shown = explain(document, quickstart().engine, quickstart().snapshot, NOW)
    assert shown.bound.governing == ("eu",)
    (volume,) = (found for found in shown.found if found.fact == "volumes")
    assert (volume.line, volume.where) == (1, "aws.us-east-1")
    assert "under         eu" in render([shown], [], "table")
