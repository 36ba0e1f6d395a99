"""Objects of any shape through the extractor: CRDs keep fields of wrong types, and senders are not friends."""

import random
from copy import deepcopy

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.workloads import extract, isolation_constraint, whole
from policies.workloads.catalogue.kinds import builtin
from policies.workloads.catalogue.paths import EACH, EVERY, parse
from policies.workloads.specs.affinity import AffinityMalformed

SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8)
TELLING = st.sampled_from(
    [
        "hf://a/b:c",
        "$(A)$(A)",
        "--model",
        "vllm serve x",
        "{",
        "a: [",
        "nvidia.com/gpu",
        "/dev/nvidia0",
        "1Gi",
        "@:/",
        "s3://b?x",
    ]
)
JSON = st.recursive(
    SCALARS | TELLING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | TELLING, inner, max_size=3),
    max_leaves=8,
)
KINDS = sorted(builtin().kinds)
FIELDS = {
    "containers": ["name", "image", "command", "args", "env", "resources", "volumeMounts", "securityContext"],
    "spec": ["volumes", "affinity", "nodeSelector", "resourceClaims", "hostIPC", "runtimeClassName", "resources"],
}


def rows(row):
    for fact in ("pods", "containers", "images", "models", "devices", "destinations", "keys", "identities", "nested"):
        for one in row.get(fact, ()):
            yield one if isinstance(one, str) else one.get("at", one.get("template", ""))


def put(subject, path, value):
    """Puts a value where a catalogue path leads, making what is missing on the way; gives up on a wrong type."""
    holder, steps = subject, parse(path)
    if not steps:
        return
    for step, after in zip(steps, [*steps[1:], ""], strict=True):
        fresh = value if not after else [] if after == EACH else {}
        if step == EACH:
            if not isinstance(holder, list):
                return
            holder.append(fresh)
            holder = holder[-1]
        elif isinstance(holder, dict):
            key = "key" if step == EVERY else step[1:]
            holder = holder.setdefault(key, fresh) if after else holder.__setitem__(key, value)
        else:
            return


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(KINDS), st.data())
def test_wrong_types_anywhere(kind, data):
    """Whatever stands at the paths of a kind, its facts are computed, plain, and the same twice."""
    group, _, name = kind.rpartition("/")
    row = data.draw(st.sampled_from(builtin().kinds[kind]))
    subject = {"apiVersion": f"{group}/{row['versions'][0]}" if group else row["versions"][0], "kind": name}
    paths = sorted(set(rows(row)))
    if paths:
        for path in data.draw(st.lists(st.sampled_from(paths), max_size=4)):
            below = data.draw(st.sampled_from(["", ".containers[]", ".spec.containers[]", ".spec"]))
            field = data.draw(st.sampled_from(["", *FIELDS["containers"], *FIELDS["spec"]]))
            put(subject, f"{path}{below}.{field}".rstrip(".").lstrip("."), data.draw(JSON))
    before = orjson.dumps(subject)
    facts = whole(extract(subject))
    assert orjson.dumps(facts) == orjson.dumps(whole(extract(subject)))
    assert orjson.dumps(subject) == before
    assert facts["known"]
    for pod in facts["pods"]:
        try:
            isolation_constraint(pod, "exclusive")
        except AffinityMalformed as error:
            assert "must be" in str(error)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_anything_at_all(subject):
    """Any value is an object without facts rather than an error."""
    assert orjson.dumps(whole(extract(subject)))


TYPICAL = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"annotations": {"a": "b"}},
    "spec": {
        "template": {
            "metadata": {"labels": {"a": "b"}, "annotations": {"gpu-fraction": "0.5"}},
            "spec": {
                "nodeSelector": {"a": "b"},
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
                            ]
                        }
                    }
                },
                "containers": [
                    {
                        "name": "c",
                        "image": "a/b:c",
                        "command": ["sh", "-c", "vllm serve a/b --revision c"],
                        "args": ["--model", "a/b"],
                        "env": [{"name": "MODEL_ID", "value": "a/b"}, {"name": "HF_ENDPOINT", "value": "https://h"}],
                        "resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}},
                        "securityContext": {"privileged": True},
                        "volumeMounts": [{"name": "v", "mountPath": "/m"}],
                    }
                ],
                "volumes": [
                    {"name": "v", "image": {"reference": "a/b"}},
                    {"name": "w", "hostPath": {"path": "/dev"}},
                    {"name": "x", "csi": {"driver": "d", "volumeAttributes": {"server": "s"}}},
                    {"name": "y", "projected": {"sources": [{"serviceAccountToken": {"audience": "a"}}]}},
                    {"name": "z", "nfs": {"server": "s"}},
                ],
                "resourceClaims": [{"name": "c", "resourceClaimName": "d"}],
            },
        }
    },
}


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    copy = deepcopy(value)
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = new
    return copy


@pytest.mark.parametrize("new", [None, True, 0, 1.5, "", "text", [], [[]], {}, {"a": []}, [None], [1], ["x"], {"": {}}])
def test_every_place_of_a_pod_with_every_type(new):
    """Each field of a pod template may hold any type."""
    for path in places(TYPICAL):
        if path:
            assert whole(extract(replaced(TYPICAL, path, new)))


def test_ten_thousand_deep():
    """Nesting costs neither the stack nor memory: in a catalogued kind, in an unknown one, and in text inside."""
    deep = {"spec": {}}
    for _ in range(10_000):
        deep = {"a": [deep]}
    text = "[" * 10_000
    for kind in ("Deployment", "Nobody"):
        subject = {
            "apiVersion": "apps/v1",
            "kind": kind,
            "spec": {"template": {"spec": {"containers": [deep]}}, "x": deep},
        }
        assert extract(subject)["pods"] is not None
        assert isinstance(extract(subject)["images"], list)
    workflow = {"templates": [{"resource": {"manifest": text}}], "podSpecPatch": text}
    for body in (text, "- " * 10_000, "{a: " * 10_000, "a: &a [1]\nb: *a\n"):
        workflow["podSpecPatch"] = body
        assert whole(extract({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": workflow}))


def test_a_found_pod_may_lie_deep():
    """An unknown kind's pod is found however deep it lies, and its path is spelled out."""
    subject = {"containers": [{"name": "c", "image": "a"}]}
    for _ in range(2_000):
        subject = {"a": [subject]}
    (pod,) = extract({"apiVersion": "x.y/v1", "kind": "Z", "spec": subject})["pods"]
    assert pod["path"].endswith(".a[0]")
    assert pod["path"].count("a[0]") == 2_000


def test_variables_that_double_each_other():
    """Variables built from variables don't grow without end."""
    env = [{"name": "V0", "value": "x" * 100}]
    env += [{"name": f"V{index}", "value": f"$(V{index - 1})" * 10} for index in range(1, 60)]
    script = "A=xxxxxxxxxx;" + "".join("A=$A$A$A$A;" for _ in range(60)) + "vllm serve $A"
    container = {"name": "c", "env": [*env, {"name": "MODEL_ID", "value": "$(V59)"}], "command": ["sh", "-c", script]}
    facts = whole(extract({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}))
    assert len(orjson.dumps(facts["models"])) < 1_000_000


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "a"] * 4_000,
        ["aws", "s3", "cp", "-a"] * 4_000,
        ["--revision", "x", "--model", "y"] * 3_000,
        ["git clone -x " * 5_000],
        ['"' * 100_001],
        ["'\"" * 50_001],
        ["\\" * 100_001],
        ["$(" * 50_000],
        ["${A:-" * 50_000],
        ["--lora-modules", *["a=b/c"] * 5_000],
        ["--model=" + "a/" * 50_000],
        ["--model=hf://" + "a:" * 50_000],
        ["https://" * 50_000 + "huggingface.co"],
    ],
    ids=lambda words: words[0][:16],
)
def test_long_command_lines_are_linear(words, request):
    """Work grows with the text: function calls are counted, and a quadratic pattern would not end in a lifetime."""
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "vllm", "args": words}]}}
    assert calls(pod) < 200 * sum(map(len, words)) + 10_000


def calls(subject):
    import sys

    count = 0

    def counting(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        whole(extract(subject))
    finally:
        sys.setprofile(None)
    return count


def test_random_bytes_as_text():
    """Text that is nothing in particular is never an error."""
    source = random.Random(1)
    for _ in range(2_000):
        text = "".join(source.choice("ab/:@$(){}'\"\\ \n=-.&|#?%0") for _ in range(source.randrange(40)))
        container = {
            "name": text,
            "image": text,
            "args": [text],
            "env": [{"name": "MODEL", "value": text}],
            "command": [text],
        }
        assert whole(extract({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}))
