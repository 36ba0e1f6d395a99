"""Objects as workloads: where pods are found, what they will be, when facts are computed."""

import json

import pytest

from policies.patch import apply
from policies.workloads import extract, is_workload, kind_of, rebase, resource_of, whole
from policies.workloads.catalogue.compile import CatalogueMalformed, overridden
from policies.workloads.catalogue.kinds import builtin

POD = {"containers": [{"name": "c", "image": "a/b:c", "resources": {"limits": {"nvidia.com/gpu": 1}}}]}


def deployment(kind="Deployment", group="apps/v1", **metadata):
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {"template": {"spec": POD}}}


def paths(subject, fact="pods"):
    return [one["path"] for one in extract(subject)[fact]]


def test_a_pod_is_its_own_template():
    """A Pod's path is empty, its parts are its own."""
    subject = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}, "spec": POD}
    (pod,) = extract(subject)["pods"]
    assert (pod["path"], pod["metadata"], pod["spec"]) == ("", subject["metadata"], POD)
    assert paths(subject, "images") == ["spec.containers[0].image"]


ROOTS = [
    ("apps/v1", "Deployment", {"template": {"spec": POD}}, ["spec.template"]),
    ("batch/v1", "CronJob", {"jobTemplate": {"spec": {"template": {"spec": POD}}}}, ["spec.jobTemplate.spec.template"]),
    (
        "serving.kserve.io/v1beta1",
        "InferenceService",
        {"predictor": POD, "canary": [{"predictor": POD}]},
        ["spec.predictor", "spec.canary[0].predictor"],
    ),
    (
        "serving.kserve.io/v1alpha2",
        "LLMInferenceService",
        {"template": POD, "prefill": {"worker": POD}},
        ["spec.template", "spec.prefill.worker"],
    ),
    (
        "grove.io/v1alpha1",
        "PodCliqueSet",
        {"template": {"cliques": [{"spec": {"podSpec": POD}}]}},
        ["spec.template.cliques[0]"],
    ),
    (
        "nvidia.com/v1alpha1",
        "DynamoGraphDeployment",
        {"services": {"a.b": {"extraPodSpec": POD}}},
        ['spec.services["a.b"]'],
    ),
    (
        "nvidia.com/v1beta1",
        "DynamoGraphDeployment",
        {"components": [{"podTemplate": {"spec": POD}}]},
        ["spec.components[0].podTemplate"],
    ),
    (
        "jobset.x-k8s.io/v1alpha2",
        "JobSet",
        {"replicatedJobs": [{"template": {"spec": {"template": {"spec": POD}}}}]},
        ["spec.replicatedJobs[0].template.spec.template"],
    ),
    ("argoproj.io/v1alpha1", "Workflow", {"templates": [{"container": POD["containers"][0]}]}, ["spec.templates[0]"]),
    ("tekton.dev/v1", "TaskRun", {"taskSpec": {"steps": POD["containers"]}}, ["spec"]),
    ("kagent.dev/v1alpha2", "Agent", {"byo": {"deployment": POD["containers"][0]}}, ["spec.byo.deployment"]),
]


@pytest.mark.parametrize(("version", "kind", "spec", "expected"), ROOTS, ids=lambda value: str(value)[:40])
def test_pod_roots(version, kind, spec, expected):
    """Each kind keeps its pods at these places, and their image and GPU are theirs."""
    subject = {"apiVersion": version, "kind": kind, "spec": spec}
    workload = extract(subject)
    assert [pod["path"] for pod in workload["pods"]] == expected
    for pod in workload["pods"]:
        assert [image["reference"] for image in pod["images"]] == ["a/b:c"]
        assert [device["resource"] for device in pod["devices"]] == ["nvidia.com/gpu"]
    assert len(workload["images"]) == len(workload["devices"]) == len(expected)


def test_pod_at_the_root_of_kaito():
    """KAITO's Workspace has no spec; its template stands at the root."""
    subject = {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "inference": {"template": {"spec": POD}}}
    assert paths(subject) == ["inference.template"]


def test_versions_are_told_apart():
    """A field of another version isn't read as if this one had it."""
    old = {"services": {"x": {"extraPodSpec": POD}}}
    assert paths({"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": old}) == []
    assert paths({"apiVersion": "nvidia.com/v1alpha1", "kind": "DynamoGraphDeployment", "spec": old}) == [
        "spec.services.x"
    ]


def test_groups_are_told_apart():
    """Volcano's Job is not the API server's."""
    spec = {"tasks": [{"template": {"spec": POD}}]}
    assert paths({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "spec": spec}) == ["spec.tasks[0].template"]
    assert paths({"apiVersion": "batch/v1", "kind": "Job", "spec": spec}) == []


def test_unknown_kinds_are_found_by_shape():
    """A kind nobody has catalogued shows its pods by their containers, and is reported as not known."""
    subject = {
        "apiVersion": "x.example/v1",
        "kind": "Thing",
        "spec": {"parts": [{"template": {"spec": POD}}, {"pod": POD}]},
    }
    workload = extract(subject)
    assert not workload["known"]
    assert [pod["path"] for pod in workload["pods"]] == ["spec.parts[0].template", "spec.parts[1].pod"]
    assert [image["path"] for image in workload["images"]] == [
        "spec.parts[0].template.spec.containers[0].image",
        "spec.parts[1].pod.containers[0].image",
    ]
    assert is_workload(subject)
    other = {"apiVersion": "x.example/v1", "kind": "Thing", "spec": {"containers": ["a", {"b": 1}]}}
    assert whole(extract(other))["pods"] == []
    assert not extract(other)["known"]
    assert not is_workload(other)


def test_containers_of_unknown_kinds_may_have_no_name_or_be_patches():
    """Knative names no containers, and operators take patches of theirs by name: both are pods all the same."""
    for container in ({"image": "x"}, {"name": "mcp", "env": [{"name": "A", "value": "https://a.example"}]}):
        subject = {
            "apiVersion": "x.example/v1",
            "kind": "Thing",
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
        assert paths(subject) == ["spec.template"]


def test_what_stands_beside_containers_of_unknown_kinds():
    """Fields that no pod has, beside `containers` or inside of them, are the kind's own: hosts in them count."""
    container = {
        **POD["containers"][0],
        "modelData": "s3://weights/x",
        "env": [{"name": "A", "value": "https://b.example"}],
    }
    spec = {"containers": [container], "hostname": "a.b", "nodeName": "n.example", "snapshots": {"at": "gs://s/x"}}
    subject = {"apiVersion": "x.example/v1", "kind": "Thing", "spec": spec}
    assert sorted((one["path"], one["host"]) for one in extract(subject)["destinations"]) == [
        ("spec.containers[0].env[0]", "https://b.example"),
        ("spec.containers[0].modelData", "s3://weights/x"),
        ("spec.snapshots.at", "gs://s/x"),
    ]


def test_kinds_of_the_api_server():
    """The API server's own kinds are known, and make no pods even if they look like it."""
    subject = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {}, "spec": POD}
    assert extract(subject)["known"]
    assert extract(subject)["pods"] == []


def test_mutation_comes_before_the_facts_and_once():
    """Facts of pods are those of the pod as it will be; asking twice doesn't mutate twice."""
    calls = []

    def mutate(pod):
        calls.append(pod)
        return apply(pod, [{"op": "replace", "path": "/spec/containers/0/image", "value": "other"}])

    workload = extract(deployment(), mutate)
    assert calls == []
    assert workload["group"] == "apps"
    assert calls == []
    assert [image["reference"] for image in workload["images"]] == ["other"]
    assert workload["pods"][0]["spec"]["containers"][0]["image"] == "other"
    assert whole(workload)
    assert len(calls) == 1
    assert calls[0] == {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": POD}


def test_only_what_is_asked_is_computed():
    """A fact that nobody names costs nothing: the mutation isn't even called for it."""

    def refuse(pod):
        raise AssertionError("nobody asked")

    workload = extract(deployment(), refuse)
    assert workload["known"]
    assert [pod["path"] for pod in workload["pods"]] == ["spec.template"]
    assert workload["pods"][0]["planned"] is False
    with pytest.raises(AssertionError, match="nobody asked"):
        workload["images"]


def test_a_lazy_fact_is_a_dict():
    """To its reader a workload is a plain dict: membership, length, iteration, equality."""
    workload = extract(deployment())
    assert "images" in workload
    assert "nothing" not in workload
    assert workload.get("nothing", 7) == 7
    lists = {
        "pods",
        "images",
        "models",
        "devices",
        "destinations",
        "keys",
        "identities",
        "placement",
        "volumes",
        "namespaces",
        "malformed",
    }
    assert set(workload) == {"group", "version", "kind", "known"} | lists
    assert len(workload) == 15
    assert dict(extract(deployment())) == workload
    assert extract(deployment()) == workload
    assert not extract(deployment()) != workload  # noqa: SIM202  `!=` is a method of its own
    assert extract(deployment("DaemonSet")) != workload
    with pytest.raises(KeyError):
        workload["nothing"]


def test_planned_templates():
    """A DaemonSet's template is planned by; a Job's is when it names a queue."""
    assert extract(deployment("DaemonSet"))["pods"][0]["planned"]
    assert not extract(deployment("Job", "batch/v1"))["pods"][0]["planned"]
    queued = {"kueue.x-k8s.io/queue-name": "gpu"}
    assert extract(deployment("Job", "batch/v1", labels=queued))["pods"][0]["planned"]


def test_operations_on_a_pod_become_operations_on_its_template():
    """What was decided for the synthetic Pod is done where its template stands."""
    subject = deployment("DaemonSet")
    (pod,) = extract(subject)["pods"]
    operations = [
        {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        {"op": "add", "path": "/spec/nodeSelector", "value": {"c": "d"}},
    ]
    template = apply(subject, rebase(pod, operations))["spec"]["template"]
    assert template["metadata"] == {"labels": {"a": "b"}}
    assert template["spec"] == {**POD, "nodeSelector": {"c": "d"}}


def test_metadata_that_pods_inherit():
    """KServe hands the service's annotations on to its pods: a GPU fraction there is the pods'."""
    subject = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"annotations": {"gpu-fraction": "0.5"}, "name": "x"},
        "spec": {"predictor": {"labels": {"a": "b"}, "model": {"storageUri": "hf://a/b"}}},
    }
    (pod,) = extract(subject)["pods"]
    assert pod["metadata"] == {"annotations": {"gpu-fraction": "0.5"}, "labels": {"a": "b"}}
    assert pod["isolation"] == "shared"
    assert [model["path"] for model in pod["models"]] == ["spec.predictor.model.storageUri"]


def test_fields_that_a_kind_drops():
    """A field that the kind's own schema throws away is not part of its pods."""
    runtime = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "spec": {**POD, "runtimeClassName": "kata", "nodeSelector": {"a": "b"}},
    }
    (pod,) = extract(runtime)["pods"]
    assert pod["runtime"] == ""
    assert pod["spec"]["nodeSelector"] == {"a": "b"}


def test_flat_kinds():
    """A kind whose pod fields lie side by side gets a pod out of them, defaults of the object included."""
    template = {
        "name": "t",
        "container": {**POD["containers"][0], "args": ["--model", "a/b"]},
        "nodeSelector": {"a": "b"},
    }
    spec = {"nodeSelector": {"z": "z"}, "schedulerName": "s", "templates": [template]}
    (pod,) = extract({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec})["pods"]
    assert pod["spec"]["nodeSelector"] == {"a": "b"}
    assert pod["spec"]["schedulerName"] == "s"
    assert [model["path"] for model in pod["models"]] == ["spec.templates[0].container.args[1]"]


def test_objects_inside_of_objects():
    """A manifest inside an object is read as what it is, under the path where it stands."""
    inner = deployment()
    work = {"apiVersion": "work.karmada.io/v1alpha1", "kind": "Work", "spec": {"workload": {"manifests": [inner]}}}
    assert paths(work) == ["spec.workload.manifests[0].spec.template"]
    assert paths(work, "images") == ["spec.workload.manifests[0].spec.template.spec.containers[0].image"]
    manifest = "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{name: c, image: 'a/b:c'}]\n"
    patch = '{"containers": [{"name": "main", "image": "evil:1"}], "nodeSelector": {}}'
    spec = {"podSpecPatch": patch, "templates": [{"resource": {"action": "create", "manifest": manifest}}]}
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec}
    assert {image["reference"] for image in extract(workflow)["images"]} == {"a/b:c", "evil:1"}


def test_many_objects_in_one_place():
    """Lists of objects and YAML of many documents, which clients take apart, are read one by one."""
    one = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "a/b:c"}]}}
    held = {
        "items": {"apiVersion": "v1", "kind": "List", "items": [one, one]},
        "typed": {"apiVersion": "v1", "kind": "PodList", "items": [{"spec": one["spec"]}, one]},
    }
    for value in (*held.values(), {"kind": "List", "items": [held["items"]]}):
        work = {"apiVersion": "work.karmada.io/v1alpha1", "kind": "Work", "spec": {"workload": {"manifests": [value]}}}
        written = {"resource": {"action": "create", "manifest": json.dumps(value)}}
        workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"templates": [written]}}
        assert len(extract(work)["images"]) == len(extract(workflow)["images"]) == 2
    assert paths(work)[0] == "spec.workload.manifests[0].items[0].items[0]"
    written["resource"]["manifest"] = f"---\n{json.dumps(one)}\n---\n{json.dumps(held)}\n---\n{json.dumps(one)}\n"
    assert [path.rpartition(".")[2] for path in paths(workflow)] == ["manifest[0]", "manifest[2]"]


def test_objects_inside_of_those():
    """However often manifests are wrapped, what they hold is read; what lies too deep to be read is told."""

    def wrapped(times: int):
        held = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "a/b:c"}]}}
        for _ in range(times):
            held = {
                "apiVersion": "work.karmada.io/v1alpha1",
                "kind": "Work",
                "spec": {"workload": {"manifests": [held]}},
            }
        return held

    for times in range(9):
        assert len(extract(wrapped(times))["images"]) == 1
        assert extract(wrapped(times))["malformed"] == []
    assert extract(wrapped(9))["malformed"][0]["path"].count("manifests[0]") == 9
    assert extract(wrapped(5_000))["malformed"] != []


def test_levels_of_flat_containers_need_the_pods_proof():
    """A container outside of a PodSpec is on the nodes that its own pod is bound to."""
    spec = {
        "image": {"repository": "nvcr.io/nim/x", "tag": "1"},
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "nodeSelector": {"nvidia.com/gpu.sharing-strategy": "none"},
    }
    service = {"apiVersion": "apps.nvidia.com/v1alpha1", "kind": "NIMService", "spec": spec}
    assert [device["level"] for device in extract(service)["devices"]] == ["partitioned"]
    assert [image["reference"] for image in extract(service)["images"]] == ["nvcr.io/nim/x:1"]
    assert extract(service)["pods"][0]["isolation"] == "partitioned"


def test_resources():
    """Kinds know their plural and whether they lie in namespaces; others are guessed from their name."""
    assert resource_of("", "v1", "Namespace") == ("namespaces", False)
    assert resource_of("serving.kserve.io", "v1beta1", "InferenceService") == ("inferenceservices", True)
    assert resource_of("rbac.authorization.k8s.io", "v1", "ClusterRole") == ("clusterroles", False)
    assert resource_of("x.example", "v1", "Policy") == ("policies", True)
    assert resource_of("x.example", "v1", "Gateway") == ("gateways", True)
    assert resource_of("x.example", "v1", "Class") == ("classes", True)


OURS = """
- group: x.example
  kind: Thing
  versions: [v1]
  pods:
  - {template: spec.pod}
- group: apps
  kind: Deployment
  versions: [v1]
  images: [spec.extraImage]
"""


def test_a_deployers_catalogue():
    """A second file adds kinds, and rows to kinds we have; ours is not changed by it."""
    ours = overridden(builtin(), OURS, "mine.yaml")
    thing = {"apiVersion": "x.example/v1", "kind": "Thing", "spec": {"pod": {"spec": POD}}}
    assert extract(thing, catalogue=ours)["known"]
    assert not extract(thing)["known"]
    subject = {**deployment(), "spec": {"template": {"spec": POD}, "extraImage": "d/e:f"}}
    assert [image["reference"] for image in extract(subject, catalogue=ours)["images"]] == ["d/e:f", "a/b:c"]
    assert [image["reference"] for image in extract(subject)["images"]] == ["a/b:c"]


def test_a_deployer_replaces_a_kind():
    """An entry that replaces stands alone."""
    text = "- {group: apps, kind: Deployment, versions: [v1], replace: true, images: [spec.extraImage]}"
    ours = overridden(builtin(), text, "mine.yaml")
    assert extract(deployment(), catalogue=ours)["pods"] == []


def test_a_catalogue_with_an_error_changes_nothing():
    """The error names file and line; the catalogue in force is the one before."""
    with pytest.raises(CatalogueMalformed, match=r"mine\.yaml:2: Thing: path `spec\.\.x`"):
        overridden(builtin(), "\n- {group: x.example, kind: Thing, versions: [v1], images: [spec..x]}", "mine.yaml")
    assert kind_of("x.example", "v1", "Thing") is None
    assert kind_of("apps", "v1", "Deployment") is not None
