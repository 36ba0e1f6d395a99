"""What the CEL benchmark evaluates: nine admission expressions, a Deployment and a Pod of inference servers."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

CONTAINERS = "object.spec.template.spec.containers"
EXPRESSIONS = {
    "E1 limits of every container": f"{CONTAINERS}.all(c, has(c.resources) && has(c.resources.limits) && "
    "'memory' in c.resources.limits && 'cpu' in c.resources.limits)",
    "E2 nested all and exists": f"{CONTAINERS}.all(c, !has(c.env) || c.env.all(e, !e.name.startsWith('SECRET_') || "
    f"has(e.valueFrom))) && {CONTAINERS}.exists(c, has(c.ports) && c.ports.exists(p, p.containerPort == 9400))",
    "E3 filter, map and size": f"{CONTAINERS}.filter(c, has(c.securityContext)).map(c, c.name).size() == 4",
    "E4 a pattern for every image": f"{CONTAINERS}.all(c, c.image.matches("
    "'^[a-z0-9.-]+/[a-z0-9/._-]+(:[A-Za-z0-9._-]+)?(@sha256:[a-f0-9]{64})?$'))",
    "E5 split, join and replace": f"{CONTAINERS}.map(c, c.image.split('/')[0]).join(',').replace('.', '-')"
    ".lowerAscii().contains('registry-example-eu')",
    "E6 optional chains": "object.?spec.?template.?spec.?nodeSelector[?'topology.kubernetes.io/region']"
    ".orValue('') == 'eu-central-1' && object.?metadata.?labels[?'absent'].orValue('x') == 'x'",
    "E7 namespace, request and params": "namespaceObject.metadata.labels['tier'] in params.tiers && "
    "request.operation in ['CREATE', 'UPDATE'] && request.userInfo.groups.exists(g, g == 'system:authenticated')",
    "E8 a walk through two maps": "object.metadata.labels.all(k, k.size() < 64 && "
    "object.metadata.labels[k].size() < 64) && "
    "object.metadata.annotations.all(k, v, k.contains('/') && v.size() < 1024)",
    "E9 a quantity for every container": f"{CONTAINERS}.all(c, quantity(c.resources.limits.memory)"
    ".compareTo(quantity('640Gi')) <= 0)",
}


def container(number: int) -> Json:
    """One of four containers, with what inference servers bring along."""
    names = ("server", "router", "exporter", "cache")
    digest = "0123456789abcdef" * 4
    probe = {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 5}
    return {
        "name": names[number],
        "image": f"registry.example.eu/inference/{names[number]}:v1.{number}.0@sha256:{digest}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", f"example.{names[number]}.api_server"],
        "args": [f"--option-{i}=value-{i}" for i in range(8)],
        "env": [{"name": f"SETTING_{number}_{i}", "value": f"value-{i}"} for i in range(9)]
        + [{"name": "SECRET_TOKEN", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": names[number]}}}],
        "ports": [{"name": f"p{i}", "containerPort": 8000 + 1400 * i, "protocol": "TCP"} for i in range(2)],
        "resources": {
            "limits": {"cpu": "16", "memory": "128Gi", "nvidia.com/gpu": "1"},
            "requests": {"cpu": "8", "memory": "64Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "livenessProbe": probe,
        "readinessProbe": probe,
        "startupProbe": {**probe, "failureThreshold": 30},
        "volumeMounts": [{"name": f"volume-{i}", "mountPath": f"/mnt/volume-{i}", "readOnly": i > 0} for i in range(3)],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def deployment() -> Json:
    """A Deployment of four containers as the API server sends it, 10.6 KB."""
    labels = {"app": "llm", "app.kubernetes.io/name": "llm", "app.kubernetes.io/part-of": "inference", "team": "nlp"}
    annotations = {f"example.eu/note-{i}": f"a note of some length, number {i}" for i in range(6)}
    seen: Json = {f"f:field-{i}": {".": {}, "f:name": {}, "f:value": {}} for i in range(28)}
    pod = {
        "containers": [container(number) for number in range(4)],
        "nodeSelector": {"topology.kubernetes.io/region": "eu-central-1", "accelerator": "h100"},
        "volumes": [{"name": f"volume-{i}", "emptyDir": {"sizeLimit": "10Gi"}} for i in range(3)],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "serviceAccountName": "llm",
        "terminationGracePeriodSeconds": 120,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "llm",
            "namespace": "inference",
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "generation": 7,
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": labels,
            "annotations": annotations,
            "managedFields": [
                {"manager": "kubectl", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": seen}
            ],
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "llm"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


def bindings() -> Json:
    """What the request binds."""
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    return {
        "object": deployment(),
        "oldObject": None,
        "params": {"tiers": ["dev", "test", "prod"]},
        "request": {
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": "llm",
            "namespace": "inference",
            "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["nlp", "eu", "system:authenticated"]},
            "dryRun": False,
        },
        "namespaceObject": {"metadata": {"name": "inference", "labels": {"tier": "prod", "region": "eu"}}},
    }


def pod() -> Json:
    """A Pod that serves a model with vLLM, 4.5 KB, as the API server sends it: it meets every pod-security standard."""
    security = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    probe = {"httpGet": {"path": "/health", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 5}
    server = {
        "name": "vllm",
        "image": f"registry.example.eu/inference/vllm-openai:v0.11.0@sha256:{'0123456789abcdef' * 4}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "vllm.entrypoints.openai.api_server"],
        "args": ["--model=/models/mistral-small", "--served-model-name=mistral", "--tensor-parallel-size=2"]
        + [f"--option-{i}=value-{i}" for i in range(9)],
        "env": [{"name": f"VLLM_SETTING_{i}", "value": f"value-{i}"} for i in range(10)]
        + [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token"}}}],
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "resources": {
            "limits": {"cpu": "16", "memory": "128Gi", "nvidia.com/gpu": "2"},
            "requests": {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "2"},
        },
        "securityContext": security,
        "livenessProbe": probe,
        "readinessProbe": probe,
        "startupProbe": {**probe, "failureThreshold": 60},
        "volumeMounts": [
            {"name": name, "mountPath": f"/mnt/{name}", "readOnly": name == "models"}
            for name in ("models", "cache", "shm", "token")
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    fetch = {
        "name": "fetch",
        "image": f"registry.example.eu/inference/fetch:v1.4.2@sha256:{'fedcba9876543210' * 4}",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--source=s3://models.example.eu/mistral-small", "--target=/mnt/models", "--verify"],
        "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
        "securityContext": security,
        "volumeMounts": [{"name": "models", "mountPath": "/mnt/models"}],
    }
    proxy = {
        "name": "proxy",
        "image": f"registry.example.eu/platform/proxy:v2.0.1@sha256:{'0011223344556677' * 4}",
        "args": ["--listen=:8443", "--upstream=http://127.0.0.1:8000", "--log-format=json"],
        "ports": [{"name": "https", "containerPort": 8443, "protocol": "TCP"}],
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
        "securityContext": security,
    }
    labels = {"app.kubernetes.io/name": "vllm", "app.kubernetes.io/part-of": "inference", "pod-template-hash": "7d9f8"}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "vllm-7d9f8", "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "vllm-7d9f8-x2x4q",
            "generateName": "vllm-7d9f8-",
            "namespace": "inference",
            "uid": "0c9c9b0e-8b39-4cf5-9d3b-3f2f1a0a6d11",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": labels,
            "annotations": {f"example.eu/note-{i}": f"a note of some length, number {i}" for i in range(3)},
            "ownerReferences": [{**owner, "uid": "705ab4f5-6393-11e8-b7cc-42010a800002"}],
        },
        "spec": {
            "initContainers": [fetch],
            "containers": [server, proxy],
            "volumes": [
                {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
                {"name": "cache", "emptyDir": {"sizeLimit": "10Gi"}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            ],
            "nodeSelector": {"topology.kubernetes.io/region": "eu-central-1", "accelerator": "h100"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "serviceAccountName": "vllm",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 120,
        },
    }
