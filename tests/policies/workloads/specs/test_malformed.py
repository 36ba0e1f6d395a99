"""Fields of wrong types: each path of the catalogue, each field of a pod spec, with each type that doesn't fit."""

from copy import deepcopy

import orjson
import pytest

from policies.workloads import extract, whole
from policies.workloads.catalogue.kinds import builtin
from policies.workloads.catalogue.paths import EACH, EVERY, parse

WRONG = {
    "an object": ("text", 7, True, [1], ["text"], 1.5),
    "a list": ("text", 7, True, {"a": 1}, 1.5),
    "text": ({"a": 1}, [1], ["text"], [{"a": "b"}]),
}
FACTS = ("images", "models", "devices", "destinations", "keys", "identities", "placement")


def steps_of_kinds():
    """Group, version, kind, the steps that lead somewhere, and what the last of them is expected to be."""
    for name, rows in builtin().kinds.items():
        group, _, kind = name.rpartition("/")
        for row in rows:
            seen = set()
            for steps, leaf in paths_of(row):
                for end in range(1, len(steps)):
                    wanted = "a list" if steps[end] == EACH else "an object"
                    seen.add((tuple(steps[:end]), wanted))
                if leaf:
                    seen.add((tuple(steps), leaf))
            yield group, row["versions"][0], kind, {one for one in seen if one[0] not in texts_of(row)}


def texts_of(row):
    """Paths at which text is read for the addresses in it, whatever else may stand there."""
    found = (one for fact in FACTS for one in row.get(fact, ()) if isinstance(one, dict) and one.get("read"))
    anything = ("yaml-urls", "urls", "hosts", "regions", "collector")
    return {tuple(parse(one["at"])) for one in found if one["read"] in anything}


def paths_of(row):
    for template in row.get("pods", ()):
        yield parse(template["template"]), "an object" if template["template"] else ""
    for path in row.get("containers", ()):
        yield parse(path), "an object"
    for fact in FACTS:
        for one in row.get(fact, ()):
            said = one if isinstance(one, dict) else {"at": one}
            plain = set(said) == {"at"} and fact in ("images", "models", "keys")
            yield parse(said["at"]), "text" if plain else ""


def holding(steps, value):
    for step in reversed(steps):
        value = [value] if step == EACH else {"key" if step == EVERY else step[1:]: value}
    return value


def test_every_path_of_the_catalogue_with_every_wrong_type():
    """Nothing raises, and what isn't read as something is told with its path, what is there, and what should be."""
    tried, silent = 0, []
    for group, version, kind, paths in steps_of_kinds():
        head = {"apiVersion": f"{group}/{version}" if group else version, "kind": kind}
        for steps, wanted in paths:
            for value in WRONG[wanted]:
                subject = {**holding(steps, value), **head}
                if not isinstance(subject["kind"], str) or steps[0] in (".kind", ".apiVersion"):
                    continue
                tried += 1
                facts = whole(extract(subject))
                assert orjson.dumps(facts)
                told = [one["path"] for one in facts["malformed"]]
                if not told and not any(facts[fact] for fact in FACTS) and not also(paths, steps, value):
                    silent.append(f"{kind}: {steps}: {value!r}")
                for one in facts["malformed"]:
                    assert one["expected"] != one["found"], (kind, one)
    print(f"{tried} objects")
    assert tried > 15_000
    assert silent == [], f"{len(silent)} of {tried}"


def also(paths, steps, value):
    """Whether another path of the kind takes the value at the same place."""
    others = {wanted for other, wanted in paths if other == steps}
    fits = {"an object": dict, "a list": list, "text": str}
    return any(isinstance(value, fits[wanted]) for wanted in others)


POD = {
    "containers": [
        {
            "name": "c",
            "image": "a/b:c",
            "command": ["sh"],
            "args": ["-c"],
            "env": [{"name": "A", "value": "b"}],
            "envFrom": [{}],
            "resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"cpu": "1"}, "claims": [{"name": "c"}]},
            "volumeMounts": [{"name": "v"}],
            "securityContext": {"privileged": True},
        }
    ],
    "initContainers": [{"image": "a"}],
    "nodeSelector": {"a": "b"},
    "affinity": {"podAffinity": {}},
    "volumes": [{"name": "v", "image": {"reference": "a"}}, {"name": "w", "csi": {"driver": "d"}}],
    "resourceClaims": [{"name": "c"}],
    "tolerations": [{"operator": "Exists"}],
    "topologySpreadConstraints": [{"topologyKey": "a"}],
    "nodeName": "n",
    "schedulerName": "s",
    "runtimeClassName": "r",
    "serviceAccountName": "a",
}
READ = [
    "containers", "containers[0]", "containers[0].image", "containers[0].command", "containers[0].command[0]",
    "containers[0].args", "containers[0].env", "containers[0].env[0]", "containers[0].env[0].value",
    "containers[0].envFrom", "containers[0].resources", "containers[0].resources.limits",
    "containers[0].resources.requests", "containers[0].resources.claims", "containers[0].volumeMounts",
    "containers[0].securityContext", "initContainers", "initContainers[0].image", "nodeSelector", "affinity", "volumes",
    "volumes[0]", "volumes[0].image", "volumes[1].csi", "resourceClaims", "tolerations", "topologySpreadConstraints",
    "nodeName", "schedulerName", "runtimeClassName", "serviceAccountName",
]  # fmt: skip


@pytest.mark.parametrize("version,kind,above", [
    ("v1", "Pod", ()),
    ("apps/v1", "Deployment", ("template",)),
    ("example.com/v1", "Nobody", ("deep", "podTemplate")),
    ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", ("leaderWorkerTemplate", "workerTemplate")),
])  # fmt: skip
@pytest.mark.parametrize("field", READ)
def test_every_field_of_a_pod_spec_with_every_wrong_type(version, kind, above, field):
    """A pod's field of a wrong type is told at its own path, whatever kind makes the pod; the right one isn't."""
    whole_pod = object_of(version, kind, above, deepcopy(POD))
    assert extract(whole_pod)["malformed"] == []
    wanted = (
        "a list" if isinstance(at(POD, field), list) else "an object" if isinstance(at(POD, field), dict) else "text"
    )
    for value in (*WRONG[wanted], *((7, True) if wanted == "text" else ())):
        spec = deepcopy(POD)
        put(spec, field, value)
        told = extract(object_of(version, kind, above, spec))["malformed"]
        if field in ("containers", "containers[0]") and kind == "Nobody":
            continue  # nothing looks like a pod any more, and nobody knows the kind: the report says that
        path = ".".join(("spec", *above, "spec", field)) if above else f"spec.{field}"
        assert [(one["path"], one["expected"]) for one in told] == [(path, wanted)], (value, told)


def object_of(version, kind, above, spec):
    for name in reversed(above):
        spec = {name: {"spec": spec}} if name == above[-1] else {name: spec}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "o"}, "spec": spec}


def steps(field):
    return [int(one) if one.isdigit() else one for one in field.replace("[", ".").replace("]", "").split(".")]


def at(value, field):
    for step in steps(field):
        value = value[step]
    return value


def put(value, field, new):
    *above, last = steps(field)
    for step in above:
        value = value[step]
    value[last] = new


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_what_is_empty_hides_nothing(empty):
    """Empty values of another type are no reason to refuse anything."""
    for field in READ:
        spec = deepcopy(POD)
        put(spec, field, empty)
        assert extract(object_of("v1", "Pod", (), spec))["malformed"] == []


def test_text_that_should_be_yaml():
    """Ray Serve's configuration that isn't YAML, or has aliases that nobody follows, is told."""
    head = {"apiVersion": "ray.io/v1", "kind": "RayService"}
    for text in ("a: [", "a: &x {b: 1}\nc: *x", "[" * 500):
        (told,) = extract({**head, "spec": {"serveConfigV2": text}})["malformed"]
        assert (told["path"], told["expected"], told["found"]) == ("spec.serveConfigV2", "readable YAML", "text")
    for text in ("applications: []", "", "  "):
        assert extract({**head, "spec": {"serveConfigV2": text}})["malformed"] == []
