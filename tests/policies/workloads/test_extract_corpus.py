"""Manifests of other people's projects: what a search of their YAML finds, the extractor finds.

The search knows nothing of the catalogue: it looks for telling keys anywhere in a document. Where the two differ,
`leftovers.yaml` has the reason; a reason that nothing needs any more fails too.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from policies.workloads import extract, kind_of, whole
from tests.policies.workloads.search_of_yaml import leaves, searched

SAMPLES = Path(__file__).parents[4] / "shared" / "corpora" / "workload-samples"
pytestmark = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the corpus of workload samples is not beside the checkout"
)


@cache
def documents():
    """Every document of every file, with its file. Markdown is no YAML; templates that don't parse are counted."""
    found, unread = [], []
    for path in sorted(SAMPLES.rglob("*")):
        if not path.is_file() or path.name == "SOURCES.md":
            continue
        try:
            held = list(yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader))
            found += [(str(path.relative_to(SAMPLES)), document) for document in held if isinstance(document, dict)]
        except yaml.YAMLError:
            unread.append(path)
    return found, unread


def test_every_sample_goes_through():
    """No manifest makes the extractor fail, and the same manifest gives the same facts."""
    found, unread = documents()
    assert len(found) > 700
    assert unread == []
    for file, document in found:
        assert whole(extract(document)) == whole(extract(document)), file


def test_what_a_search_finds_is_what_is_extracted():
    """Images, devices, models and placement of every known kind: neither has what the other lacks, but for a reason."""
    reasons = yaml.safe_load((Path(__file__).parent / "leftovers.yaml").read_text())
    seen, wrong, used = Counter(), [], set()
    for file, document in documents()[0]:
        group, _, version = str(document.get("apiVersion")).rpartition("/")
        if kind_of(group, version, kind := str(document.get("kind"))) is None:
            continue
        facts = whole(extract(document))
        for fact, paths in searched(document).items():
            held = {one["path"] for one in facts[fact]}
            seen[fact] += len(paths)
            differing = [(path, False) for path in paths if not near(path, held)]
            differing += [(path, True) for path in held if not near(path, paths)]
            for path, beyond in differing:
                why = reason(reasons, fact, kind, path, beyond)
                used.add(why)
                if why is None:
                    wrong.append(f"{file}: {kind}: {fact}: {'not searched' if beyond else 'not extracted'}: {path}")
    print(*(f"{name}: {count}" for name, count in sorted(seen.items())), sep="\n")
    assert wrong == []
    assert used >= {index for index, _ in enumerate(reasons)}, "a reason that nothing needs any more"
    assert min(seen["images"] - 300, seen["devices"] - 130, seen["models"] - 55, seen["placement"] - 80) >= 0


def test_what_is_extracted_is_what_stands_there():
    """An image or a resource is, letter by letter, in the text at its path; a constraint has the values of its path."""
    for file, document in documents()[0]:
        facts = whole(extract(document))
        texts = {path: value for path, _, value, _ in leaves(document)}
        for one in facts["images"]:
            held = texts[one["path"]]
            assert (held if isinstance(held, str) else held["image"]).rpartition("=")[2] in one["reference"], (
                file,
                one,
            )
        for one in facts["devices"]:
            assert one["path"] in texts, (file, one)
            if one["mechanism"] == "device-plugin" and one["path"].endswith('"]'):
                assert one["path"].endswith(f'["{one["resource"]}"]'), (file, one)
                assert str(texts[one["path"]]) == str(one["count"]), (file, one)
        for one in facts["placement"]:
            held = texts[one["path"]]
            said = [held] if isinstance(held, str) else held.get("values", [])
            assert said == one["values"], (file, one)


def near(path, others):
    """Whether one of the others is the same place, or lies around or inside of it."""
    return any(
        one == path or one.startswith((f"{path}.", f"{path}[")) or path.startswith((f"{one}.", f"{one}["))
        for one in others
    )


def reason(reasons, fact, kind, path, beyond):
    rows = enumerate(reasons)
    fits = (
        index
        for index, row in rows
        if (row["fact"], row["kind"], row.get("beyond", False)) == (fact, kind, beyond) and ends(path, row["path"])
    )
    return next(fits, None)


def ends(path, pattern):
    return re.search(".*".join(map(re.escape, pattern.split("*"))) + "$", path) is not None


EXPECTED = [
    # file, kind, fact, and what must be there
    (
        "kubernetes-sigs+dra-driver-nvidia-gpu/demo/specs/quickstart/v1/gpu-test3.yaml",
        "Pod",
        "devices",
        ("claim", "level"),
        {("single-gpu", "shared")},
    ),
    (
        "kubernetes-sigs+dra-driver-nvidia-gpu/demo/specs/quickstart/v1/gpu-test-mps.yaml",
        "ResourceClaimTemplate",
        "devices",
        ("claim", "level"),
        {("gpu.nvidia.com", "unknown")},
    ),
    (
        "kai-scheduler+KAI-Scheduler/docs/gpu-sharing/gpu-sharing.yaml",
        "Pod",
        "devices",
        ("mechanism", "level"),
        {("fraction", "shared")},
    ),
    (
        "Project-HAMi+HAMi/examples/nvidia/default_use.yaml",
        "Pod",
        "devices",
        ("resource", "level"),
        {("nvidia.com/gpu", "limited"), ("nvidia.com/gpumem", "limited"), ("nvidia.com/gpucores", "limited")},
    ),
    (
        "Project-HAMi+HAMi/examples/nvidia/use_exclusive_card.yaml",
        "Pod",
        "devices",
        ("count", "level"),
        {(2, "exclusive"), (100, "exclusive")},
    ),
    (
        "kserve+kserve/docs/samples/llmisvc/single-node-gpu/llm-inference-service-qwen2-7b-gpu.yaml",
        "LLMInferenceService",
        "models",
        ("reference", "pinned"),
        {("hf://Qwen/Qwen2.5-7B-Instruct", False)},
    ),
    (
        "kserve+kserve/docs/samples/llmisvc/managed-dra/llm-inference-service-managed-dra-minimal.yaml",
        "LLMInferenceService",
        "devices",
        ("mechanism", "level"),
        {("dra", "unknown")},
    ),
    (
        "velero-io+velero/tilt-resources/examples/velero_v1_backupstoragelocation.yaml",
        "BackupStorageLocation",
        "destinations",
        ("bucket", "region", "host", "what"),
        {("velero", "minio", "http://minio.velero.svc:9000", "backups")},
    ),
    (
        "volcano-sh+kthena/examples/model-booster/Qwen2.5-0.5B-Instruct.yaml",
        "ModelBooster",
        "models",
        ("reference", "scheme"),
        {("hf://Qwen/Qwen2.5-0.5B-Instruct", "hf")},
    ),
    (
        "NVIDIA+k8s-nim-operator/config/samples/nim/caching/hf/nimcache.yaml",
        "NIMCache",
        "destinations",
        ("host", "what"),
        {("https://huggingface.co", "models")},
    ),
    (
        "karmada-io+karmada/artifacts/example/policy_with_labelSelector.yaml",
        "PropagationPolicy",
        "destinations",
        ("cluster",),
        {("cluster1",), ("cluster2",), ("cluster3",)},
    ),
    (
        "kubernetes-sigs+kueue/site/static/examples/multikueue/multikueue-setup.yaml",
        "MultiKueueConfig",
        "destinations",
        ("cluster", "what"),
        {("multikueue-test-worker1", "workloads")},
    ),
    ("istio+istio/samples/security/spire/clusterspiffeid.yaml", "ClusterSPIFFEID", "destinations", ("host",), set()),
]


@pytest.mark.parametrize(("file", "kind", "fact", "fields", "expected"), EXPECTED, ids=lambda value: str(value)[-40:])
def test_expected(file, kind, fact, fields, expected):
    """What a reader of the file finds there is what the extractor finds, no more and no less."""
    held = [document for name, document in documents()[0] if name == file and document.get("kind") == kind]
    if not held:
        pytest.skip("this sample is not part of the corpus")
    found = {tuple(one[name] for name in fields) for document in held for one in extract(document)[fact]}
    assert found == expected
