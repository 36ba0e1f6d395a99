"""Objects that are large in one way each: of so many of something, or of one text of so many characters.

Each shape takes a size and gives an object of about thirty bytes for each unit of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_UNIT = 30  # bytes


def pod(**spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "chat"}, "spec": spec}


def deployment(**spec: Any) -> Object:
    template = {"metadata": {}, "spec": {"containers": [{"name": "a", "image": "a.example/b:v1"}], **spec}}
    meta = {"name": "a", "namespace": "chat"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {"template": template}}


def other(version: str, kind: str, **spec: Any) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": "chat"}, "spec": spec}


def _one(**container: Any) -> Object:
    return pod(containers=[{"name": "a", "image": "a.example/b:v1", **container}])


def _script(text: str) -> Object:
    return _one(command=["sh", "-c", text])


def _named(**metadata: Any) -> Object:
    return {**pod(containers=[{"image": "a"}]), "metadata": {"name": "a", "namespace": "chat", **metadata}}


def _terms(*terms: Any) -> Object:
    affinity = {"nodeAffinity": {_REQUIRED: {"nodeSelectorTerms": list(terms)}}}
    return pod(containers=[{"image": "a"}], affinity=affinity)


def _nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = {"a": leaf}
    return leaf


SHAPES: dict[str, Callable[[int], Object]] = {
    "containers": lambda n: pod(containers=[{"image": f"r.example/{i}"} for i in range(n)]),
    "containers of one image": lambda n: pod(containers=[{"name": f"c{i}", "image": "a.example/b"} for i in range(n)]),
    "template's containers": lambda n: deployment(containers=[{"image": f"r.example/{i}"} for i in range(n)]),
    "init containers of one volume": lambda n: pod(
        containers=[{"image": "a"}],
        initContainers=[{"image": "a", "volumeMounts": [{"name": "v", "mountPath": f"/{i}"}]} for i in range(n // 2)],
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "models"}}],
    ),
    "volumes and mounts": lambda n: pod(
        containers=[{"image": "a", "volumeMounts": [{"name": f"v{i}", "mountPath": f"/{i}"} for i in range(n // 3)]}],
        volumes=[{"name": f"v{i}", "persistentVolumeClaim": {"claimName": f"c{i}"}} for i in range(n // 3)],
    ),
    "volumes of hosts": lambda n: pod(
        containers=[{"image": "a"}], volumes=[{"name": f"v{i}", "hostPath": {"path": f"/dev/{i}"}} for i in range(n)]
    ),
    "resource claims": lambda n: pod(
        containers=[{"image": "a"}], resourceClaims=[{"name": f"c{i}", "resourceClaimName": "c"} for i in range(n)]
    ),
    "variables": lambda n: _one(env=[{"name": f"A{i}", "value": f"{i}"} for i in range(n)]),
    "variables of one name": lambda n: _one(env=[{"name": "A", "value": f"$(A){i}"} for i in range(n)]),
    "variables of variables": lambda n: _one(env=[{"name": f"A{i}", "value": f"$(A{i - 1})x"} for i in range(n)]),
    "variables that double": lambda n: _one(env=[{"name": f"A{i}", "value": f"$(A{i - 1})" * 2} for i in range(n)]),
    "hosts in variables": lambda n: _one(env=[{"name": f"H{i}_HOST", "value": f"a{i}.example:1"} for i in range(n)]),
    "models in variables": lambda n: _one(env=[{"name": f"MODEL_{i}", "value": f"o/m{i}"} for i in range(n)]),
    "arguments": lambda n: _one(args=[f"--flag-number-{i}=value" for i in range(n)]),
    "words": lambda n: _one(args=["a"] * (7 * n)),
    "models in arguments": lambda n: _one(args=[f"--model=owner/name{i}" for i in range(n)]),
    "models and revisions": lambda n: _one(
        args=[one for i in range(n // 2) for one in (f"--model=o/n{i}", f"--revision=r{i}")]
    ),
    "adapters": lambda n: _one(args=["--lora-modules"] * (2 * n)),
    "adapters and adapters": lambda n: _one(args=["--lora-modules", "a=o/b"] * n),
    "commands": lambda n: _one(args=["vllm", "serve"] * (2 * n)),
    "hosts in arguments": lambda n: _one(args=[f"http://h{i}.example/path" for i in range(n)]),
    "senders": lambda n: _one(args=["curl", "-d", "a"] * (2 * n)),
    "senders in a script": lambda n: _script("curl a.example:80 -d x;\n" * n),
    "assignments": lambda n: _script("".join(f"A{i}=$A{i - 1}x;" for i in range(2 * n))),
    "doubling": lambda n: _script("A=a; " + "A=$A$A; " * (3 * n)),
    "quotes": lambda n: _script("'\"" * (15 * n)),
    "open quotes": lambda n: _script('"a' * (15 * n) + "'"),
    "backslashes": lambda n: _script("\\" * (30 * n)),
    "double quotes and backslashes": lambda n: _script('"' + '\\"' * (15 * n)),
    "dollars": lambda n: _script("$" * (30 * n)),
    "braces": lambda n: _script("${" * (15 * n)),
    "defaults": lambda n: _script("${A:-" * (6 * n)),
    "backticks": lambda n: _script("`" * (30 * n)),
    "interpreters in a script": lambda n: _script("python -c 'a'; " * (2 * n)),
    "shells in shells": lambda n: _script("sh -c 'sh -c a'; " * (2 * n)),
    "here documents": lambda n: _script("cat <<A\na\nA\n" * (2 * n)),
    "here documents left open": lambda n: _script("cat <<A\n" * (4 * n)),
    "pipes": lambda n: _script("|" * (30 * n)),
    "blanks": lambda n: _script(" " * (30 * n) + "a"),
    "lines": lambda n: _script("\n" * (30 * n)),
    "code": lambda n: _one(command=["python", "-c", "a('b')\n" * (4 * n)]),
    "one word": lambda n: _one(args=["a" * (30 * n)]),
    "one word of dots": lambda n: _one(args=["a." * (15 * n)]),
    "one word of dashes": lambda n: _one(args=["-" * (30 * n)]),
    "one word of digits": lambda n: _one(args=["1." * (15 * n)]),
    "one word of colons": lambda n: _one(args=["a:" * (15 * n)]),
    "one word of slashes": lambda n: _one(args=["/" * (30 * n)]),
    "one word of schemes": lambda n: _one(args=["a://" * (8 * n)]),
    "one word of equals": lambda n: _one(args=["a=" * (15 * n)]),
    "one word of members": lambda n: _one(args=["host=a.b " * (4 * n)]),
    "one word of JSON": lambda n: _one(args=["--lora-modules", '{"a":' * (6 * n)]),
    "one value of dots": lambda n: _one(env=[{"name": "A_HOST", "value": "a." * (15 * n)}]),
    "one value of dashes and dots": lambda n: _one(env=[{"name": "A_HOST", "value": "a-" * (15 * n) + "."}]),
    "one value of letters": lambda n: _one(env=[{"name": "A_HOST", "value": "a" * (30 * n) + ".b:1"}]),
    "one value of at signs": lambda n: _one(env=[{"name": "A_HOST", "value": "a@" * (15 * n) + "b.c:1"}]),
    "one value of brackets": lambda n: _one(env=[{"name": "A_HOST", "value": "[::" * (10 * n)}]),
    "one value of commas": lambda n: _one(env=[{"name": "A_HOST", "value": "a.b:1," * (5 * n)}]),
    "one value of spans": lambda n: _one(env=[{"name": "A_HOST", "value": "a{1...2}." * (3 * n)}]),
    "one value of accounts": lambda n: _one(env=[{"name": "A", "value": "AccountName = " * (2 * n)}]),
    "one value of suffixes": lambda n: _one(
        env=[{"name": "A", "value": "AccountName=a;" + "EndpointSuffix " * (2 * n)}]
    ),
    "one value of blanks": lambda n: _one(env=[{"name": "A", "value": "a=" + " " * (30 * n)}]),
    "one value of members and blanks": lambda n: _one(env=[{"name": "A", "value": ("a" + " " * 1000) * (n // 33 + 1)}]),
    "one value of slashes": lambda n: _one(env=[{"name": "UPSTREAM", "value": "a.b:1" + "/" * (30 * n) + " "}]),
    "one value of JDBC": lambda n: _one(env=[{"name": "DB", "value": "jdbc:sqlserver:" * (2 * n) + "=x"}]),
    "one name that data goes by": lambda n: _one(args=["dig", "$" * (30 * n)]),
    "one resource of slashes": lambda n: _one(resources={"limits": {"a/" * (15 * n): "1"}}),
    "lines of code": lambda n: _one(command=["python", "-c", "\n" * (30 * n)]),
    "one name": lambda n: _one(env=[{"name": "A_" * (15 * n), "value": "a.b:1"}]),
    "one image": lambda n: pod(containers=[{"image": "a/" * (15 * n)}]),
    "one image of dashes": lambda n: pod(containers=[{"image": "a-" * (15 * n)}]),
    "one image of dots and digits": lambda n: pod(containers=[{"image": "a" * (30 * n) + ":/"}]),
    "one path": lambda n: _one(command=["/a" * (15 * n)]),
    "quantities": lambda n: _one(resources={"limits": {f"nvidia.com/g{i}": "1" for i in range(n)}}),
    "one quantity": lambda n: _one(resources={"limits": {"nvidia.com/gpu": "0" * (30 * n) + "a"}}),
    "one resource": lambda n: _one(resources={"limits": {"nvidia.com/" + "gpu" * (10 * n): "1"}}),
    "labels": lambda n: _named(labels={f"label-number-{i}": f"{i}" for i in range(n)}),
    "annotations": lambda n: _named(annotations={f"a.example/{i}": "http://a.example" for i in range(n)}),
    "one label": lambda n: _named(labels={"a" * (30 * n): "b"}),
    "one annotation of YAML": lambda n: _named(annotations={"proxy.istio.io/config": "a:\n" * (10 * n)}),
    "one annotation of brackets": lambda n: _named(annotations={"proxy.istio.io/config": "[" * (30 * n)}),
    "one annotation of aliases": lambda n: _named(
        annotations={"proxy.istio.io/config": "a: &a [x]\n" + "".join(f"b{i}: *a\n" for i in range(3 * n))}
    ),
    "node labels": lambda n: pod(containers=[{"image": "a"}], nodeSelector={f"label-{i}": f"{i}" for i in range(n)}),
    "tolerations": lambda n: pod(containers=[{"image": "a"}], tolerations=[{"key": f"key-{i}"} for i in range(n)]),
    "terms": lambda n: _terms(*({"matchExpressions": [{"key": f"k{i}", "operator": "Exists"}]} for i in range(n // 2))),
    "terms of zones": lambda n: _terms(
        *({"matchExpressions": [_in("topology.kubernetes.io/zone", f"eu-{i}")]} for i in range(n // 4))
    ),
    "terms of values": lambda n: _terms(
        *({"matchExpressions": [_in("topology.kubernetes.io/region", *map(str, range(50)))]} for _ in range(n // 12))
    ),
    "expressions of one term": lambda n: _terms(
        {"matchExpressions": [_in("topology.kubernetes.io/region", "eu-central-1", f"{i}") for i in range(n // 4)]}
    ),
    "expressions on names": lambda n: _terms(
        *({"matchFields": [_in("metadata.name", f"node-{i}")]} for i in range(n // 4))
    ),
    "values of one expression": lambda n: _terms(
        {"matchExpressions": [_in("topology.kubernetes.io/zone", *(f"eu-central-{i}a" for i in range(2 * n)))]}
    ),
    "refused values": lambda n: _terms(
        {"matchExpressions": [_in("topology.kubernetes.io/zone", *map(str, range(3 * n)), operator="NotIn")]}
    ),
    "pods that are kept apart": lambda n: pod(
        containers=[{"image": "a"}],
        affinity={"podAntiAffinity": {_REQUIRED: [{"topologyKey": f"key-{i}"} for i in range(n)]}},
    ),
    "host aliases": lambda n: pod(
        containers=[{"image": "a"}],
        hostAliases=[{"ip": "1.2.3.4", "hostnames": [f"h{i}.example"]} for i in range(n // 2)],
    ),
    "templates": lambda n: other(
        "kubeflow.org/v1",
        "PyTorchJob",
        pytorchReplicaSpecs={f"r{i}": {"template": {"spec": {"containers": [{"image": "a"}]}}} for i in range(n // 2)},
    ),
    "templates nobody knows": lambda n: other(
        "example.com/v1",
        "Thing",
        tasks=[{"template": {"spec": {"containers": [{"image": "a"}]}}} for _ in range(n // 2)],
    ),
    "steps": lambda n: other(
        "tekton.dev/v1", "Task", steps=[{"image": "a", "script": f"curl a{i}.example"} for i in range(n // 2)]
    ),
    "steps of a workflow": lambda n: other(
        "argoproj.io/v1alpha1",
        "Workflow",
        templates=[{"name": f"t{i}", "container": {"image": "a", "args": ["b"]}} for i in range(n // 2)],
    ),
    "tasks in a pipeline": lambda n: other(
        "tekton.dev/v1",
        "PipelineRun",
        pipelineSpec={"tasks": [{"name": "a", "taskSpec": {"steps": [{"image": "a"}]}} for _ in range(n // 2)]},
    ),
    "hosts of a route": lambda n: other(
        "gateway.networking.k8s.io/v1", "HTTPRoute", hostnames=[f"h{i}.example" for i in range(2 * n)]
    ),
    "backends of a route": lambda n: other(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        rules=[{"backendRefs": [{"name": f"b{i}", "namespace": "c"}]} for i in range(n // 2)],
    ),
    "hosts of an entry": lambda n: other(
        "networking.istio.io/v1", "ServiceEntry", hosts=[f"h{i}.example" for i in range(2 * n)]
    ),
    "Envoy's configuration": lambda n: other(
        "networking.istio.io/v1alpha3",
        "EnvoyFilter",
        configPatches=[{"patch": {"value": {"address": f"h{i}.example"}}} for i in range(n // 2)],
    ),
    "triggers": lambda n: other(
        "keda.sh/v1alpha1",
        "ScaledObject",
        triggers=[{"type": "kafka", "metadata": {"brokers": f"b{i}.example:1"}} for i in range(n // 2)],
    ),
    "requirements": lambda n: other(
        "karpenter.sh/v1",
        "NodePool",
        template={"spec": {"requirements": [_in("topology.kubernetes.io/zone", f"z{i}") for i in range(n // 3)]}},
    ),
    "manifests inside": lambda n: other(
        "work.open-cluster-management.io/v1",
        "ManifestWork",
        workload={"manifests": [pod(containers=[{"image": "a"}]) for _ in range(n // 4)]},
    ),
    "selectors of devices": lambda n: other(
        "resource.k8s.io/v1",
        "ResourceClaim",
        devices={
            "requests": [{"name": f"r{i}", "exactly": {"deviceClassName": "gpu.nvidia.com"}} for i in range(n // 3)]
        },
    ),
    "depth": lambda n: other(
        "example.com/v1", "Thing", a=_nested(200, [{"b": f"http://{i}.example"} for i in range(n)])
    ),
    "hosts nobody knows of": lambda n: other(
        "example.com/v1", "Thing", **{f"endpoint{i}": f"h{i}.example:443" for i in range(n)}
    ),
    "members nobody knows of": lambda n: other("example.com/v1", "Thing", a=[{"b": {}} for _ in range(3 * n)]),
    "data": lambda n: {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {f"k{i}": "a.b:1" for i in range(n)},
    },
}


def _in(key: str, *values: str, operator: str = "In") -> Object:
    return {"key": key, "operator": operator, "values": list(values)}
