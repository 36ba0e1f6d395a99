"""What facts cost: microseconds per object, beside a baseline of the same run."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import orjson

from policies.workloads import extract
from policies.workloads.catalogue.kinds import COMPILED, Catalogue
from tests.bench.clock import microseconds

DIGEST = "sha256:" + "0123456789abcdef" * 4
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def probe(path: str) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": 8000, "scheme": "HTTP"},
        "initialDelaySeconds": 120,
        "timeoutSeconds": 5,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 30,
    }


def deployment() -> dict[str, Any]:
    """A vLLM Deployment as the API server sends it, defaults and managed fields included: 6.5 KB."""
    environment = {
        "VLLM_LOGGING_LEVEL": "INFO",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "HF_HOME": "/models/cache",
        "HF_HUB_OFFLINE": "0",
        "NCCL_DEBUG": "WARN",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.observability.svc:4317",
        "LMCACHE_CHUNK_SIZE": "256",
    }
    arguments = [
        "--model=meta-llama/Llama-3.1-70B-Instruct",
        f"--revision={COMMIT}",
        "--served-model-name=llama-3.1-70b",
        "--tensor-parallel-size=4",
        "--max-model-len=32768",
        "--gpu-memory-utilization=0.92",
        "--enable-prefix-caching",
        "--enable-chunked-prefill",
        "--port=8000",
        "--host=0.0.0.0",
    ]
    server = {
        "name": "vllm",
        "image": f"vllm/vllm-openai:v0.11.0@{DIGEST}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "vllm.entrypoints.openai.api_server"],
        "args": arguments,
        "env": [
            *({"name": name, "value": value} for name, value in environment.items()),
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
        ],
        "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}],
        "resources": {
            "limits": {"cpu": "32", "memory": "256Gi", "nvidia.com/gpu": "4"},
            "requests": {"cpu": "16", "memory": "192Gi", "nvidia.com/gpu": "4"},
        },
        "readinessProbe": probe("/health"),
        "livenessProbe": probe("/health"),
        "startupProbe": probe("/health"),
        "volumeMounts": [{"name": "models", "mountPath": "/models"}, {"name": "shm", "mountPath": "/dev/shm"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    sidecar = {
        "name": "metrics",
        "image": f"registry.example.com/observability/exporter:2.4.1@{DIGEST}",
        "args": ["--listen=:9090", "--target=http://localhost:8000/metrics"],
        "resources": {"limits": {"cpu": "100m", "memory": "128Mi"}, "requests": {"cpu": "50m", "memory": "64Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    terms = [
        {"key": "topology.kubernetes.io/region", "operator": "In", "values": ["eu-central-1"]},
        {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-H100-80GB-HBM3"]},
        {"key": "nvidia.com/gpu.sharing-strategy", "operator": "In", "values": ["none"]},
    ]
    required = {"nodeSelectorTerms": [{"matchExpressions": terms}]}
    spec = {
        "containers": [server, sidecar],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "volumes": [
            {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "32Gi"}},
        ],
        "serviceAccountName": "vllm",
        "serviceAccount": "vllm",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 120,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "schedulerName": "default-scheduler",
    }
    labels = {"app.kubernetes.io/name": "vllm", "app.kubernetes.io/part-of": "chat", "app": "vllm"}
    owned = {f"f:{name}": {f"f:{inner}": {} for inner in labels} for name in ("metadata", "spec", "status", "template")}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "vllm",
            "namespace": "chat",
            "labels": labels,
            "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-20T09:00:00Z"},
            "managedFields": [
                {"manager": name, "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": owned}
                for name in ("kubectl", "argocd-controller", "kube-controller-manager")
            ],
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "vllm"}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 3600,
        },
    }


def llm_service() -> dict[str, Any]:
    """An LLMInferenceService with two pod roots and LoRA adapters: about 10 KB."""
    spec = deployment()["spec"]["template"]["spec"]
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": "llama", "namespace": "chat"},
        "spec": {
            "model": {
                "uri": f"hf://meta-llama/Llama-3.1-70B-Instruct:{COMMIT}",
                "name": "llama",
                "lora": {"adapters": [{"name": f"a{index}", "uri": f"hf://team/a{index}"} for index in range(4)]},
            },
            "replicas": 2,
            "parallelism": {"tensor": 4},
            "template": spec,
            "prefill": {"replicas": 1, "template": deepcopy(spec)},
            "router": {"gateway": {}, "route": {}, "scheduler": {}},
        },
    }


INERT = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b" * 4000}}
LISTS = ("images", "models", "devices", "destinations", "keys", "identities")


def facts(subject: dict[str, Any], *names: str) -> Callable[[], object]:
    def read() -> None:
        workload = extract(subject)
        for name in names:
            workload[name]

    return read


def cold_start() -> float:
    """Microseconds to import the package and read the first Deployment in a fresh interpreter."""
    code = (
        "import time, orjson, dataclasses; t = time.perf_counter(); from policies.workloads import extract;"
        "extract({'apiVersion': 'apps/v1', 'kind': 'Deployment', 'spec': {}})['images'];"
        "print((time.perf_counter() - t) * 1e6)"
    )
    return min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))


def figures() -> Iterator[tuple[str, float, float | None]]:
    """Name, microseconds, and the microseconds aimed at, where that is settled."""
    typical, service, compiled = deployment(), llm_service(), COMPILED.read_bytes()
    baseline = microseconds(lambda: orjson.loads(orjson.dumps(typical)))
    yield f"baseline: the Deployment ({len(orjson.dumps(typical))} bytes) through JSON and back", baseline, None
    yield "Deployment: images", microseconds(facts(typical, "images")), None
    yield "Deployment: models", microseconds(facts(typical, "models")), None
    yield "Deployment: devices", microseconds(facts(typical, "devices")), None
    yield "Deployment: images, models, devices", microseconds(facts(typical, "images", "models", "devices")), 60
    yield "Deployment: everything", microseconds(facts(typical, *LISTS)), None
    whole = facts(service, "images", "models", "devices")
    yield f"LLMInferenceService ({len(orjson.dumps(service))} bytes): images, models, devices", microseconds(whole), 200
    yield "a kind that makes no pods: everything", microseconds(facts(SETTINGS, *LISTS)), None
    yield "a kind of the API server's own: pods", microseconds(facts(INERT, "pods")), 5
    yield "the catalogue, read", microseconds(lambda: Catalogue.of(compiled)), None
    yield "cold start, first Deployment included", cold_start(), None


def main() -> None:
    baseline = 0.0
    for name, spent, aim in figures():
        baseline = baseline or spent
        verdict = "" if aim is None else f"   aim {aim:.0f} µs: {'met' if spent <= aim else 'MISSED'}"
        print(f"{spent:10.1f} µs {spent / baseline:8.2f} x   {name}{verdict}")


if __name__ == "__main__":
    main()
