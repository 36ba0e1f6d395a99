"""The objects that scenes create: what an inference team and its platform have, in the shape the API server takes."""

from __future__ import annotations

from tests.cluster.bed.cluster import Json, node_affinity

SPACE = "inference"  # the namespace where tenants work
PASSING = "passing"  # one that is made and unmade
PLACE = "bailiwick.node-restriction.kubernetes.io/place"
SERVICES = "serving.example.org"  # a group of custom resources


def pod(name: str = "vllm") -> Json:
    """An inference server's pod with a GPU, bound to a place."""
    container: Json = {
        "name": "server",
        "image": "registry.example/vllm/vllm-openai:v0.11.0",
        "args": ["--model=mistralai/Mistral-7B-Instruct-v0.3", "--tensor-parallel-size=1"],
        "env": [{"name": "HF_HOME", "value": "/models"}],
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "32Gi", "cpu": "4"}},
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
        "volumeMounts": [{"name": "models", "mountPath": "/models"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "models", "emptyDir": {"sizeLimit": "40Gi"}}],
        "affinity": node_affinity(PLACE, ["aws.eu-central-1"]),
    }
    metadata = {"name": name, "labels": {"app": "vllm"}, "annotations": {"example.org/owner": "team-a"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def deployment(name: str = "vllm", replicas: int = 1) -> Json:
    """The same as a Deployment."""
    template = {"metadata": {"labels": {"app": name}}, "spec": pod()["spec"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service_definition() -> Json:
    """A custom resource that takes any object."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "inferenceservices", "singular": "inferenceservice", "kind": "InferenceService"}
    spec = {"group": SERVICES, "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": f"inferenceservices.{SERVICES}"}, "spec": spec}


EPHEMERAL_CONTAINERS: Json = {
    "spec": {"ephemeralContainers": [{"name": "debug", "image": "registry.example/busybox:1"}]}
}
PASSING_NAMESPACE: Json = {"metadata": {"name": PASSING, "labels": {"bailiwick.dev/data-class": "internal"}}}
SERVICE: Json = {
    "apiVersion": f"{SERVICES}/v1",
    "kind": "InferenceService",
    "metadata": {"name": "chat"},
    "spec": {"predictor": {"model": {"storageUri": "s3://models/chat", "minReplicas": 1}}},
}
CLAIM: Json = {
    "metadata": {"name": "gpu"},
    "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.org"}}]}},
}
SCALER: Json = {
    "metadata": {"name": "vllm"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm"},
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 80,
    },
}
JOB: Json = {
    "metadata": {"name": "evaluate"},
    "spec": {"template": {"spec": {**pod()["spec"], "restartPolicy": "Never"}}, "suspend": True},
}
EVICTION: Json = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "bound", "namespace": SPACE}}
SECRET: Json = {"metadata": {"name": "token"}, "stringData": {"HF_TOKEN": "hf_not_a_real_token"}}
UNNAMED: Json = {**pod(), "metadata": {"generateName": "vllm-", "labels": {"app": "vllm"}}}
RESTRICTED: Json = {"bailiwick.dev/data-class": "restricted", "bailiwick.dev/jurisdiction": "eu"}
TENANTS_ROLE: Json = {
    "metadata": {"name": "tenant"},
    "rules": [{"apiGroups": ["", "resource.k8s.io", SERVICES], "resources": ["*"], "verbs": ["*"]}],
}
GPU_NODE: Json = {
    "labels": {PLACE: "aws.eu-central-1", "topology.kubernetes.io/region": "eu-central-1"},
    "provider_id": "aws:///eu-central-1a/i-0abc",
    "capacity": {"nvidia.com/gpu": "8"},
}
