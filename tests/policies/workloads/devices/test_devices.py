"""Device levels: the weakest thing that could satisfy a request, and what lifts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.patch import apply
from policies.workloads import extract, isolation_constraint, level_with_handler, rank, runtime_level, runtime_rank

UNSHARED = {"nvidia.com/gpu.sharing-strategy": "none"}
WHOLE = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchExpressions": [
                        {"key": "nvidia.com/gpu.sharing-strategy", "operator": "In", "values": ["none"]},
                        {"key": "nvidia.com/mig.strategy", "operator": "NotIn", "values": ["single"]},
                    ]
                }
            ]
        }
    }
}


def pod(limits=None, metadata=None, container=None, **spec):
    resources = {"resources": {"limits": limits}} if limits else {}
    made = {"name": "c", "image": "x", **resources, **(container or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata or {}, "spec": {"containers": [made], **spec}}


def levels(subject):
    return [(one["resource"] or one["claim"] or one["mechanism"], one["level"]) for one in extract(subject)["devices"]]


LEVELS = [
    ({"nvidia.com/gpu": 1}, {}, "unknown"),
    ({"nvidia.com/gpu": "1"}, {"nodeSelector": UNSHARED}, "partitioned"),
    ({"nvidia.com/gpu": 1}, {"affinity": WHOLE}, "exclusive"),
    ({"nvidia.com/gpu": 1}, {"nodeSelector": {"nvidia.com/gpu.sharing-strategy": "mps"}}, "limited"),
    ({"nvidia.com/gpu": 1}, {"nodeSelector": {"nvidia.com/gpu.sharing-strategy": "time-slicing"}}, "unknown"),
    ({"nvidia.com/gpu.shared": 1}, {"affinity": WHOLE}, "shared"),
    ({"nvidia.com/mig-1g.10gb": 1}, {}, "unknown"),
    ({"nvidia.com/mig-1g.10gb": 1}, {"affinity": WHOLE}, "unknown"),
    (
        {"nvidia.com/mig-1g.10gb": 1},
        {"nodeSelector": {"nvidia.com/mig-1g.10gb.sharing-strategy": "none"}},
        "partitioned",
    ),
    ({"nvidia.com/mig-1g.10gb.shared": 1}, {}, "shared"),
    ({"nvidia.com/pgpu": 1}, {}, "exclusive"),
    ({"nvidia.com/GH100_H100L_94GB": 1}, {}, "exclusive"),
    ({"nvidia.com/NVIDIA_A10-12Q": 1}, {}, "limited"),
    ({"nvidia.com/anything-new": 1}, {"affinity": WHOLE}, "unknown"),
    ({"volcano.sh/vgpu-number": 1}, {}, "limited"),
    ({"volcano.sh/gpu-number": 1}, {}, "shared"),
    ({"amd.com/gpu": 1}, {}, "unknown"),
    ({"gpu.intel.com/i915_monitoring": 1}, {}, "shared"),
    ({"vendor.example/some-gpu-thing": 1}, {}, "unknown"),
]


@pytest.mark.parametrize(("limits", "spec", "level"), LEVELS, ids=str)
def test_resources(limits, spec, level):
    """A resource is worth this much with these constraints."""
    assert levels(pod(limits, **spec)) == [(next(iter(limits)), level)]


@pytest.mark.parametrize("limits", [{"cpu": 1}, {"nvidia.com/gpu": 0}, {"nvidia.com/gpu": "0"}, {"rdma/hca": 1}, {}])
def test_no_device(limits):
    """A pod without accelerators has no devices and no level."""
    subject = pod(limits)
    assert levels(subject) == []
    assert extract(subject)["pods"][0]["isolation"] == ""


def test_hami():
    """HAMi's dimensions make the plain line a slice; all of it, in memory and cores, is the whole card."""
    assert levels(pod({"nvidia.com/gpu": 1, "nvidia.com/gpumem": 3000, "nvidia.com/gpucores": 30})) == [
        ("nvidia.com/gpu", "limited"),
        ("nvidia.com/gpumem", "limited"),
        ("nvidia.com/gpucores", "limited"),
    ]
    whole = {"nvidia.com/gpu": 2, "nvidia.com/gpumem-percentage": 100, "nvidia.com/gpucores": "100"}
    assert {level for _, level in levels(pod(whole))} == {"exclusive"}
    assert extract(pod(whole))["devices"][0]["count"] == 2
    assert {level for _, level in levels(pod({**whole, "nvidia.com/gpucores": 99}))} == {"limited"}
    freed = pod(whole, container={"env": [{"name": "CUDA_DISABLE_CONTROL", "value": "true"}]})
    assert extract(freed)["pods"][0]["isolation"] == "shared"


def test_a_scheduler_that_splits_devices():
    """Where HAMi schedules, the labels of NVIDIA's device plugin prove nothing."""
    assert levels(pod({"nvidia.com/gpu": 1}, affinity=WHOLE, schedulerName="hami-scheduler")) == [
        ("nvidia.com/gpu", "unknown")
    ]


PREFERRED = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "preference": WHOLE["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
                    "nodeSelectorTerms"
                ][0],
            }
        ]
    }
}


def required(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


def term(operator="In", values=("none",), key="nvidia.com/gpu.sharing-strategy"):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


NO_PROOF = [
    PREFERRED,
    required(term(), term(key="other")),
    required(term(values=["none", "time-slicing"])),
    required(term("NotIn", ["time-slicing"])),
    required(term("NotIn", ["time-slicing", "mps"])),
    required(term("Exists", [])),
    required({}),
    required(),
    required(term(values=[])),
    required(term(values=["none", 7])),
    required("text"),
    {"nodeAffinity": "text"},
    "text",
]


@pytest.mark.parametrize("affinity", NO_PROOF, ids=str)
def test_what_proves_nothing(affinity):
    """Preferences, one term of several, exclusions and wrong types prove nothing about the node."""
    assert levels(pod({"nvidia.com/gpu": 1}, affinity=affinity)) == [("nvidia.com/gpu", "unknown")]


def test_every_term_must_prove_it():
    """Terms are alternatives: the level holds when each that can match says so."""
    both = required(
        term(), {"matchExpressions": [*term()["matchExpressions"], *term(key="zone")["matchExpressions"]]}, {}
    )
    assert levels(pod({"nvidia.com/gpu": 1}, affinity=both)) == [("nvidia.com/gpu", "partitioned")]


BYPASSES = [
    {"container": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}},
    {"container": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "0"}]}},
    {"container": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "valueFrom": {"fieldRef": {}}}]}},
    {"container": {"env": [{"name": "CUDA_MPS_PIPE_DIRECTORY", "value": "/tmp/nvidia-mps"}]}},
    {"container": {"securityContext": {"privileged": True}}},
    {"container": {"securityContext": {"privileged": "true"}}},
    {"container": {"volumeMounts": [{"name": "v", "mountPath": "/var/run/nvidia-container-devices/all"}]}},
    {"hostIPC": True},
    {"hostPID": True},
    {"hostNetwork": True},
    {"container": {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}},
    {"container": {"securityContext": {"capabilities": {"add": ["cap_all"]}}}},
    {"container": {"envFrom": [{"configMapRef": {"name": "c"}}]}},
    {"container": {"envFrom": [{"prefix": "NVIDIA_VISIBLE_", "secretRef": {"name": "c"}}]}},
    {"metadata": {"annotations": {"gpu-fraction": "0.5"}}},
    {"metadata": {"annotations": {"gpu-memory": "2000"}}},
    {"metadata": {"annotations": {"cdi.k8s.io/x": "nvidia.com/gpu=all"}}},
    {"metadata": {"annotations": {"io.kubernetes.cri-o.Devices": "/dev/nvidia0"}}},
    *(
        {"volumes": [{"name": "v", "hostPath": {"path": path}}]}
        for path in (
            "/dev/nvidia0",
            "/dev/nvidiactl",
            "/dev",
            "/",
            "//dev//./nvidia0",
            "/tmp/nvidia-mps",
            "/tmp",
            "/dev/dri/",
        )
    ),
    {"volumes": [{"name": "v", "hostPath": {"path": "/var/lib/kubelet/device-plugins"}}]},
    {"initContainers": [{"name": "i", "image": "x", "securityContext": {"privileged": True}}]},
    {"ephemeralContainers": [{"name": "e", "image": "x", "securityContext": {"privileged": True}}]},
]


@pytest.mark.parametrize("how", BYPASSES, ids=str)
def test_ways_round_count_as_shared(how):
    """A pod that helps itself to devices is shared, whatever it asks for beside that."""
    for limits in (None, {"nvidia.com/pgpu": 1}):
        assert extract(pod(limits, **how))["pods"][0]["isolation"] == "shared"


HARMLESS = [
    {"container": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}]}},
    {"container": {"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "none"}]}},
    {"container": {"env": [{"name": "CUDA_VISIBLE_DEVICES", "value": "0"}]}},
    {"container": {"securityContext": {"privileged": False}}},
    {"volumes": [{"name": "v", "hostPath": {"path": "/models"}}]},
    {"volumes": [{"name": "v", "hostPath": {"path": "/devices"}}]},
    {"volumes": [{"name": "v", "emptyDir": {}}]},
    {"container": {"securityContext": {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}}},
    {"container": {"envFrom": [{"prefix": "APP_", "configMapRef": {"name": "c"}}]}},
]


@pytest.mark.parametrize("how", HARMLESS, ids=str)
def test_what_opens_nothing(how):
    """These open no device."""
    assert extract(pod(**how))["devices"] == []


def test_claims():
    """A claim by name may be anybody's too; one by template is unknown until its class is looked up."""
    claims = [
        {"name": "a", "resourceClaimName": "gpu"},
        {"name": "b", "resourceClaimTemplateName": "gpus"},
        {"name": "c"},
    ]
    assert levels(pod(resourceClaims=claims)) == [("gpu", "shared"), ("gpus", "unknown")]
    assert levels(pod(resourceClaims=[{"name": "a", "source": {"resourceClaimName": "old"}}])) == [("old", "shared")]


def test_requests_count_where_limits_are_silent():
    """A resource that only `requests` names is a device; one that both name is one device."""
    both = pod(
        container={"resources": {"limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": 1, "amd.com/gpu": 1}}}
    )
    assert [(one["path"], one["resource"]) for one in extract(both)["devices"]] == [
        ('spec.containers[0].resources.limits["nvidia.com/gpu"]', "nvidia.com/gpu"),
        ('spec.containers[0].resources.requests["amd.com/gpu"]', "amd.com/gpu"),
    ]


RESOURCES = st.sampled_from(
    ["nvidia.com/gpu", "nvidia.com/mig-2g.20gb", "nvidia.com/pgpu", "amd.com/gpu", "nvidia.com/gpu.shared"]
)
TERMS = st.sampled_from([{}, term(), term(key="zone"), term("NotIn", ["mps"]), {"matchFields": []}])
NODES = [
    {
        key: value
        for key, value in zip(("nvidia.com/gpu.sharing-strategy", "nvidia.com/mig.strategy", "zone"), row, strict=True)
        if value
    }
    for row in [(a, b, c) for a in ("none", "mps", "") for b in ("single", "mixed", "") for c in ("none", "")]
]


@given(
    st.dictionaries(RESOURCES, st.just(1), min_size=1),
    st.none() | st.lists(TERMS, max_size=3),
    st.sampled_from(["limited", "partitioned", "exclusive"]),
)
def test_the_constraint_makes_the_level_true(limits, terms, level):
    """After the edit each device that a node's labels can vouch for has the level, and a second edit adds nothing."""
    before = pod(limits, **({} if terms is None else {"affinity": required(*terms)}))
    after = apply(before, isolation_constraint(before, level))
    reachable = {"nvidia.com/gpu": "exclusive", "nvidia.com/mig-2g.20gb": "partitioned"}
    can_match = terms is None or any(one.get("matchExpressions") for one in terms)
    for device in extract(after)["devices"]:
        best = reachable.get(device["resource"], "")
        if can_match and rank(level) <= rank(best):
            assert rank(device["level"]) >= rank(level), device
    assert isolation_constraint(after, level) == []


def test_nothing_to_constrain():
    """A pod without devices, or whose devices no node could better, is left alone."""
    assert isolation_constraint(pod(), "exclusive") == []
    assert isolation_constraint(pod({"nvidia.com/gpu.shared": 1}), "exclusive") == []
    assert isolation_constraint(pod(resourceClaims=[{"name": "a", "resourceClaimName": "b"}]), "exclusive") == []
    assert isolation_constraint(pod({"nvidia.com/gpu": 1}), "unknown") == []


SOURCES = st.sampled_from(
    [{"configMapRef": {"name": "c"}}, {"prefix": "NVIDIA_", "secretRef": {"name": "s"}}, {"prefix": "A_"}]
)
VARIABLES = st.sampled_from([{"name": "A", "value": "b"}, {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}])


@given(
    st.lists(SOURCES, max_size=2),
    st.none() | st.lists(VARIABLES, max_size=2),
    st.booleans(),
    st.sampled_from(["limited", "exclusive"]),
)
def test_whoever_asks_for_no_gpu_is_told_that_there_is_none(sources, variables, asks, level):
    """No ConfigMap gives a GPU to a container that asks for none; one that asks is left to its plugin."""
    container = {"name": "c", "image": "x", "envFrom": sources, **({} if variables is None else {"env": variables})}
    if asks:
        container["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    before = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [container]}}
    after = apply(before, isolation_constraint(before, level))
    assert asks or extract(after)["devices"] == []
    told = after["spec"]["containers"][0].get("env") or []
    assert told[: len(variables or [])] == (variables or [])
    assert not (asks and len(told) > len(variables or []))
    assert isolation_constraint(after, level) == []
    assert not any("/env" in one["path"] for one in isolation_constraint(before, "shared"))


HANDLERS = [
    ("kata-qemu-nvidia-gpu-snp", "confidential"),
    ("kata-qemu-nvidia-gpu-tdx-runtime-rs", "confidential"),
    ("kata-qemu-nvidia-gpu", "virtualized"),
    ("kata-qemu-coco-dev", "virtualized"),
    ("kata-qemu-tdx", "confidential"),
    ("kata-clh", "virtualized"),
    ("runsc", "sandboxed"),
    ("nvidia", "container"),
    ("runc", "container"),
    ("confidential", "container"),
    ("", "container"),
]


@pytest.mark.parametrize(("handler", "level"), HANDLERS)
def test_runtime_levels(handler, level):
    """A handler gives this runtime isolation; one nobody knows gives none."""
    assert runtime_level(handler) == level


def test_confidential_gpus():
    """A passed-through GPU is confidential in a confidential VM, on nodes that prove their GPUs are in that mode."""
    ready = {"nvidia.com/cc.ready.state": "true"}
    subject = pod({"nvidia.com/pgpu": 1}, nodeSelector=ready)
    (device,) = extract(subject)["devices"]
    assert level_with_handler(device, subject["spec"], "kata-qemu-nvidia-gpu-tdx") == "confidential"
    assert level_with_handler(device, subject["spec"], "kata-qemu-nvidia-gpu") == "exclusive"
    assert level_with_handler(device, subject["spec"], "runc") == "unknown"
    assert level_with_handler(device, {}, "kata-qemu-nvidia-gpu-tdx") == "exclusive"
    wanted = pod({"nvidia.com/pgpu": 1})
    constrained = apply(wanted, isolation_constraint(wanted, "confidential"))
    assert level_with_handler(device, constrained["spec"], "kata-qemu-nvidia-gpu-snp") == "confidential"


def test_order():
    """Levels are ordered from unknown to confidential; a word that is none is unknown."""
    names = ["unknown", "shared", "limited", "partitioned", "exclusive", "confidential"]
    assert [rank(name) for name in names] == list(range(6))
    assert rank("certainly") == 0
    assert [runtime_rank(name) for name in ("container", "sandboxed", "virtualized", "confidential", "?")] == [
        0,
        1,
        2,
        3,
        0,
    ]
