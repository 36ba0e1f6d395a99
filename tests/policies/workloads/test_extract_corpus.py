"""Manifests of other people's projects: what a search of their YAML finds, the extractor finds.

The search knows nothing of the catalogue: it looks for telling keys anywhere in a document. What the extractor leaves
out on purpose stands in `leftovers.yaml`, each with its reason; a reason that nothing needs any more fails too.
"""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from policies.workloads import extract, kind_of, whole

SAMPLES = Path(__file__).parents[4] / "shared" / "corpora" / "workload-samples"
pytestmark = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the corpus of workload samples is not beside the checkout"
)

ACCELERATORS = re.compile(
    r"(nvidia|amd|intel|habana|huawei|google|amazonaws|aws\.amazon|volcano|cambricon|hygon|iluvatar|metax|mthreads)\S*/\S+",
    re.I,
)
MODEL_KEYS = {"storageUri", "modelURI", "artifactURL", "sourceModelUri", "modelURL"}
PLACEMENT_KEYS = {"nodeSelector", "affinity", "tolerations", "runtimeClassName", "schedulerName", "nodeName"}
MODEL_WORDS = re.compile(r"(--model(-path|-id)?[= ]|vllm serve |^hf://)\S")


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


def leaves(value, path="", keys=()):
    yield path, keys, value
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                plain = re.fullmatch(r"[A-Za-z_$][\w$-]*", key)
                written = (f"{path}.{key}" if path else key) if plain else f'{path}["{key}"]'
                yield from leaves(inner, written, (*keys, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]", (*keys, index))


def wanted(keys, value):
    """What kind of leaf this is, if it is a telling one."""
    last = keys[-1] if keys else ""
    above = keys[-2] if len(keys) > 1 else ""
    if "status" in keys[:1] or value in (None, "", {}, []):
        return ""
    if isinstance(value, str) and (last == "image" or (last == "reference" and above == "image")):
        return "images"
    if above in ("limits", "requests") and isinstance(last, str) and ACCELERATORS.match(last) and value not in (0, "0"):
        return "devices"
    if isinstance(value, str) and (last in MODEL_KEYS or MODEL_WORDS.search(value)):
        return "models"
    return "placement" if last in PLACEMENT_KEYS else ""


def found_at(facts, what, path, keys, value):
    if what == "placement":
        return any(pod["spec"].get(keys[-1]) == value for pod in facts["pods"])
    if any(one["path"] == path or one["path"].startswith(path + "[") for one in facts[what]):
        return True
    # a limit and a request for the same resource are one device, at the limit
    limit = path.replace(".requests", ".limits")
    return what == "devices" and any(one["path"] == limit for one in facts[what])


def test_every_sample_goes_through():
    """No manifest makes the extractor fail, and the same manifest gives the same facts."""
    found, unread = documents()
    assert len(found) > 700
    assert unread == []
    for file, document in found:
        assert whole(extract(document)) == whole(extract(document)), file


def test_what_a_search_finds_is_extracted():
    """Images, accelerators, models and placement of catalogued kinds: all of them, but for what has a reason."""
    reasons = yaml.safe_load((Path(__file__).parent / "leftovers.yaml").read_text())
    seen, missing, used = Counter(), [], set()
    for file, document in documents()[0]:
        version, kind = document.get("apiVersion"), document.get("kind")
        if (
            not isinstance(version, str)
            or kind_of(version.rpartition("/")[0], version.rpartition("/")[2], str(kind)) is None
        ):
            continue
        facts = whole(extract(document))
        for path, keys, value in leaves(document):
            what = wanted(keys, value)
            if not what:
                continue
            seen[what] += 1
            if found_at(facts, what, path, keys, value):
                continue
            row = next((row for row in reasons if row["kind"] == kind and ends(path, row["path"])), None)
            if row is None:
                missing.append(f"{file}: {kind}: {path}: {value!r:.60}")
            else:
                used.add(row["why"])
                seen[f"{what}, left out for a reason"] += 1
    print(*(f"{name}: {count}" for name, count in sorted(seen.items())), sep="\n")
    assert missing == []
    assert used == {row["why"] for row in reasons}
    assert seen["images"] > 250
    assert seen["devices"] > 50


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
