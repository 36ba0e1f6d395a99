"""What a tenant may write so that whoever judges it holds much: a long text, never seen before, where one may stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]


class Texts:
    """Texts of a length; none is given twice, and none is what another one begins with."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._numbers = itertools.count(1)

    def __call__(self, before: str = "", behind: str = "") -> str:
        """A fresh word, which can be a name, a label of a host or part of a path."""
        return f"{before}x{next(self._numbers):08d}".ljust(self.length - len(behind), "z") + behind

    def host(self) -> str:
        """A name of many labels."""
        number = next(self._numbers)
        return f"a{number}." * (self.length // (len(str(number)) + 2)) + "example"


def objects(text: Texts) -> Iterator[Object]:
    """One of many kinds, with fresh texts in all places that anything is read from."""
    spec = pod_spec(text)
    meta = {"name": text(), "namespace": "chat", "labels": labels(text), "annotations": annotations(text)}
    template = {"metadata": meta, "spec": spec}
    yield _object("v1", "Pod", meta, spec)
    yield _object("apps/v1", "Deployment", meta, {"template": template, "selector": {"matchLabels": labels(text)}})
    yield _object("apps/v1", "StatefulSet", meta, {"template": template, "volumeClaimTemplates": [claim(text)]})
    yield _object("example.com/v1", text("Kind"), meta, {text(): {"template": template}})
    yield _object("kubeflow.org/v1", "PyTorchJob", meta, {"pytorchReplicaSpecs": {text(): {"template": template}}})
    yield _object("serving.kserve.io/v1beta1", "InferenceService", meta, {"predictor": _predictor(text)})
    yield _object("argoproj.io/v1alpha1", "Workflow", meta, {"templates": [_step(text)], "nodeSelector": labels(text)})
    yield _object("tekton.dev/v1", "Task", meta, {"steps": [_step(text)["script"]]})
    yield _object("v1", "Service", meta, {"type": "ExternalName", "externalName": text.host()})
    yield _object("gateway.networking.k8s.io/v1", "HTTPRoute", meta, {"hostnames": [text.host()], "rules": [{}]})
    yield _object("dapr.io/v1alpha1", "Component", meta, {"type": text("state."), "metadata": _pairs(text)})
    yield _object("keda.sh/v1alpha1", "ScaledObject", meta, {"triggers": [{"type": text(), "metadata": labels(text)}]})
    yield _object("networking.istio.io/v1", "ServiceEntry", meta, {"hosts": [text.host()], "addresses": [text()]})
    yield _object("velero.io/v1", "BackupStorageLocation", meta, _backup(text))
    yield _object("karpenter.sh/v1", "NodePool", meta, {"template": {"spec": {"requirements": _expressions(text)}}})
    yield _object("resource.k8s.io/v1", "ResourceClaim", meta, {"devices": _devices(text)})
    yield {**claim(text), "apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {text(): text.host()}}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": text(), "labels": labels(text)}}
    yield {"apiVersion": text("example.com/"), "kind": "Thing", "metadata": meta, "spec": {"endpoint": text.host()}}


def pod_spec(text: Texts) -> Object:
    return {
        "nodeSelector": labels(text),
        "affinity": {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": _expressions(text)}]}}},
        "schedulerName": text(),
        "runtimeClassName": text(),
        "serviceAccountName": text(),
        "hostAliases": [{"ip": text(), "hostnames": [text.host()]}],
        "imagePullSecrets": [{"name": text()}],
        "tolerations": [{"key": text(), "value": text()}],
        "topologySpreadConstraints": [{"topologyKey": text(), "whenUnsatisfiable": "DoNotSchedule"}],
        "resourceClaims": [{"name": text(), "resourceClaimName": text()}],
        "volumes": [
            {"name": text(), "persistentVolumeClaim": {"claimName": text()}},
            {"name": text(), "csi": {"driver": text(), "volumeAttributes": labels(text)}},
            {"name": text(), "image": {"reference": text("registry.example/")}},
            {"name": text(), "hostPath": {"path": text("/dev/")}},
            {"name": text(), "ephemeral": {"volumeClaimTemplate": claim(text)}},
            {"name": text(), "nfs": {"server": text.host(), "path": text("/")}},
        ],
        "containers": [container(text), {"image": "a", "args": ["--model", "owner/name"]}],
    }


def container(text: Texts) -> Object:
    said = [
        text(),
        text("--"),
        text("--", "=v"),
        text("--model-"),
        text("--revision"),
        "--model",
        text("owner/"),
        "--revision",
        text(),
        text("-m"),
        text("https://", ".example/v1"),
        text("hf://owner/"),
        text("s3://bucket/"),
        text("/usr/bin/"),
        text.host() + ":443",
        text("--upstream=") + ".example:443",
        text("host=", ".example user=x"),
    ]
    return {
        "name": text(),
        "image": text("registry.example/", ":v1"),
        "command": [text("/bin/")],
        "args": said,
        "env": [
            {"name": text(), "value": "upstream.example:443"},
            {"name": text("", "_HOST"), "value": "upstream.example"},
            {"name": "UPSTREAM_HOST", "value": text.host()},
            {"name": "MODEL_ID", "value": text("owner/")},
            {"name": "CONNECTION", "value": text("Server=tcp:", ".example,1433;")},
            {"name": text(), "valueFrom": {"configMapKeyRef": {"name": text(), "key": text()}}},
        ],
        "envFrom": [{"secretRef": {"name": text()}}],
        "resources": {
            "limits": {"nvidia.com/gpu": text("1"), text("nvidia.com/"): "1", text("a.example/", "gpu"): "1"},
            "requests": {text("amd.com/", "gpu"): "1"},
            "claims": [{"name": text(), "request": text()}],
        },
        "volumeMounts": [{"name": text(), "mountPath": text("/")}],
        "securityContext": {"capabilities": {"add": [text()]}},
    }


def labels(text: Texts) -> Object:
    return {text("a.example/"): text(), text(): text.host(), "topology.kubernetes.io/zone": text("eu-central-1")}


def annotations(text: Texts) -> Object:
    return {
        **labels(text),
        "gpu-fraction": text("0."),
        "dapr.io/sidecar-image": text("registry.example/"),
        "vault.hashicorp.com/service": text("https://"),
        "proxy.istio.io/config": text('{"discoveryAddress": "', '.example:15012"}'),
    }


def claim(text: Texts) -> Object:
    spec = {"storageClassName": text(), "volumeName": text(), "resources": {"requests": {"storage": text("1")}}}
    return {"metadata": {"name": text(), "namespace": "chat"}, "spec": spec}


def _expressions(text: Texts) -> list[Object]:
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [text("eu-central-1")]}
    return [zone, {"key": text(), "operator": "NotIn", "values": [text()]}]


def _predictor(text: Texts) -> Object:
    model = {"modelFormat": {"name": text()}, "storageUri": text("s3://bucket/"), **container(text)}
    return {"model": model, "nodeSelector": labels(text)}


def _step(text: Texts) -> Object:
    words = " ".join((text("curl https://", ".example"), text("--model="), text("A="), f"$({text()})", text("'", "'")))
    return {"name": text(), "script": {"image": text(), "command": ["sh"], "source": words, "script": words}}


def _pairs(text: Texts) -> list[Object]:
    return [{"name": text("", "Host"), "value": text.host()}, {"name": "redisHost", "value": text.host()}]


def _backup(text: Texts) -> Object:
    said = {"region": text(), "s3Url": text("https://")}
    return {"provider": text(), "objectStorage": {"bucket": text()}, "config": said}


def _devices(text: Texts) -> Object:
    selector = {"cel": {"expression": text("device.driver == '", "'")}}
    exactly = {"deviceClassName": text(), "selectors": [selector]}
    return {"requests": [{"name": text(), "exactly": exactly}]}


def _object(version: str, kind: str, metadata: Object, spec: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
