"""The review that benchmarks send: a pinned vLLM Deployment of 6.5 KB, nearly half of it managedFields."""

from typing import Any

import orjson

IMAGE = "docker.io/vllm/vllm-openai@sha256:6b3f0f0f2f3f8f1a7d0b7f4a6a7f0b5d7c9f5d2d3c1b0a99887766554433221a"
LABELS = {"app.kubernetes.io/name": "vllm-mistral", "app.kubernetes.io/part-of": "inference"}


def review(namespace: str, mark: str = "vllm") -> bytes:
    """The AdmissionReview of its creation. `mark` stands in its template: another mark is another template."""
    request = {
        "uid": "c4d722ae-4086-4a5c-92c1-ce99f5cc85a1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "requestKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "requestResource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "vllm-mistral",
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:argocd:argocd-application-controller", "groups": GROUPS},
        "object": deployment(namespace, mark),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "argocd-controller"},
    }
    return orjson.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})


GROUPS = ["system:serviceaccounts", "system:serviceaccounts:argocd", "system:authenticated"]


def deployment(namespace: str, mark: str) -> dict[str, Any]:
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS, "annotations": {"checksum/config": mark}}, "spec": _pod()},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    metadata = {
        "name": "vllm-mistral",
        "namespace": namespace,
        "uid": "0c9c9b0e-8b39-4cf5-9d3b-3f2f1a0a6d11",
        "creationTimestamp": "2026-11-21T12:00:00Z",
        "generation": 1,
        "labels": LABELS,
        "managedFields": [_managed("argocd-controller", spec)],
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": {}}


def _pod() -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in ENVIRONMENT.items()]
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token"}}}
    return {
        "initContainers": [
            {
                "name": "wait-for-gateway",
                "image": IMAGE,
                "command": [
                    "python3",
                    "-c",
                    "import socket; socket.create_connection(('gateway.inference', 8443), 60)",
                ],
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "containers": [
            {
                "name": "vllm",
                "image": IMAGE,
                "command": ["vllm", "serve"],
                "args": ARGUMENTS,
                "env": [*env, token],
                "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
                "resources": {"limits": RESOURCES, "requests": RESOURCES},
                "volumeMounts": [{"name": "cache", "mountPath": "/cache"}, {"name": "shm", "mountPath": "/dev/shm"}],
                "livenessProbe": _probe(30),
                "readinessProbe": _probe(5),
                "startupProbe": _probe(10),
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "volumes": [
            {"name": "cache", "emptyDir": {"sizeLimit": "100Gi"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}},
        ],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "serviceAccountName": "vllm",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 120,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
    }


ARGUMENTS = [
    "mistralai/Mistral-7B-Instruct-v0.3",
    "--revision",
    "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db",
    "--max-model-len",
    "8192",
    "--gpu-memory-utilization",
    "0.92",
]
ENVIRONMENT = {
    "HF_HOME": "/cache/huggingface",
    "VLLM_LOGGING_LEVEL": "INFO",
    "VLLM_USAGE_SOURCE": "production-docker-image",
    "VLLM_DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "8",
}
RESOURCES = {"nvidia.com/gpu": "1", "cpu": "8", "memory": "64Gi"}


def _probe(seconds: int) -> dict[str, Any]:
    get = {"path": "/health", "port": 8000, "scheme": "HTTP"}
    return {"httpGet": get, "periodSeconds": seconds, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3}


def _managed(manager: str, spec: dict[str, Any]) -> dict[str, Any]:
    fields = {"f:metadata": {"f:labels": {".": {}, **{f"f:{name}": {} for name in LABELS}}}, "f:spec": _fields(spec)}
    entry = {"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "time": "2026-11-21T12:00:00Z"}
    return {**entry, "fieldsType": "FieldsV1", "fieldsV1": fields}


def _fields(value: Any) -> dict[str, Any]:
    """The tree of field names that an API server keeps of a value."""
    if isinstance(value, dict):
        return {f"f:{name}": _fields(inner) for name, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
        return {f'k:{{"name":"{entry["name"]}"}}': {".": {}, **_fields(entry)} for entry in value}
    return {}
