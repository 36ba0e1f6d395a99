"""The scenes of `scenes.yaml`: policies of our own in full, and the requests that they are asked about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policies.request import GroupKind, Operation, Request, Resource
from policies.snapshot import Absent, Answer, Lookup, MemorySnapshot, Question

Json = dict[str, Any]

GROUP = "admissionregistration.k8s.io"
PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Pod": "pods",
    "Namespace": "namespaces",
    "Deployment": "deployments",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Widget": "widgets",
    "CustomResourceDefinition": "customresourcedefinitions",
}
CLUSTERWIDE = ("Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", *list(PLURALS)[:4])
CONFIGMAPS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
SCENES: dict[str, Json] = {
    one["name"]: one for one in yaml.safe_load((Path(__file__).parent / "scenes.yaml").read_text())
}
WIDGET = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "note": {"type": "string"},
                "whole": {"type": "array", "items": {"type": "string"}},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "parts": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["id"],
                    "items": {
                        "type": "object",
                        "required": ["id"],
                        "properties": {name: {"type": kind} for name, kind in (("id", "integer"), ("color", "string"))}
                        | {"weight": {"type": "integer"}},
                    },
                },
            },
        }
    },
}
DEFINITION: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.native.bed.invalid"},
    "spec": {
        "group": "native.bed.invalid",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {"name": name, "served": True, "storage": name == "v2", "schema": {"openAPIV3Schema": WIDGET}}
            for name in ("v1", "v2")
        ],
    },
}


def manifests(scene: Json) -> list[Json]:
    """A scene's policies and bindings in full."""
    made = []
    for index, policy in enumerate(scene["policies"]):
        word, kind = ("vap", "Validating") if "vap" in policy else ("map", "Mutating")
        name = f"{scene['name']}-{index}"
        spec = {"matchConstraints": {"resourceRules": [CONFIGMAPS]}, **policy[word]}
        if word == "map":
            spec.setdefault("reinvocationPolicy", "Never")
        made.append(manifest(f"{kind}AdmissionPolicy", name, spec))
        for number, binding in enumerate(policy.get("bindings", [{}])):
            made.append(
                manifest(f"{kind}AdmissionPolicyBinding", f"{name}-{number}", bound(scene, name, word, binding))
            )
    return made


def bound(scene: Json, policy: str, word: str, binding: Json) -> Json:
    own = {"namespaceSelector": {"matchLabels": {"scene": scene["name"]}}}
    spec = {"policyName": policy, "matchResources": {**own, **binding.get("matchResources", {})}}
    if "paramRef" in binding:
        spec["paramRef"] = binding["paramRef"]
    return spec if word == "map" else {**spec, "validationActions": binding.get("actions", ["Deny"])}


def manifest(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@dataclass(frozen=True)
class Case:
    """One request of a scene."""

    scene: str
    index: int

    def __str__(self) -> str:
        return f"{self.scene}-{self.index}"

    @property
    def asked(self) -> Json:
        found: Json = SCENES[self.scene]["requests"][self.index]
        return found

    @property
    def namespace(self) -> str:
        return f"native-{self.scene}"

    @property
    def of(self) -> str:
        """The resource that a subresource belongs to."""
        return str(self.asked["object"].get("of", ""))

    def object(self) -> Json:
        """The object as a client sends it, named after the case unless it has a name."""
        found: Json = json.loads(json.dumps(self.asked["object"]))
        found = {"apiVersion": "v1", **found}
        found["metadata"] = {"name": str(self), **found.get("metadata", {})}
        if found["metadata"]["name"] is None:
            del found["metadata"]["name"]
        for name in found.get("data", {}):
            found["data"][name] *= self.asked.get("stretch", 1) if name == "long" else 1
        if "keys" in self.asked:
            found["data"] = {f"k{number}": "v" for number in range(self.asked["keys"])}
        found.pop("of", None)
        return found


CASES = [Case(name, index) for name, scene in SCENES.items() for index in range(len(scene["requests"]))]


def held() -> list[Json]:
    """What lies in the cluster: namespaces, params and definitions, as far as policies may look at them."""
    found = [DEFINITION, namespace_of("default", {})]
    for scene in SCENES.values():
        name = f"native-{scene['name']}"
        found.append(namespace_of(name, {"scene": scene["name"], **scene.get("labels", {})}))
        found += [placed(one, name) for one in (*scene.get("params", ()), *scene.get("objects", ()))]
    return found


def namespace_of(name: str, labels: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def placed(found: Json, namespace: str) -> Json:
    return {"apiVersion": "v1", **found, "metadata": {**found["metadata"], "namespace": namespace}}


def snapshot() -> MemorySnapshot:
    """A snapshot of that which asks for what it doesn't hold: the authorizer's answers."""
    complete = [("", "ConfigMap"), ("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition")]
    return MemorySnapshot.of(held(), complete=complete, live=True)


def looked_up(question: Question) -> Answer | None:
    """The answer to a look-up: the snapshot holds everything that there is."""
    return Answer(Absent()) if isinstance(question, Lookup) else None


def recorded(request: Request) -> Json:
    """A request as it stands in the file of answers."""
    kind, resource = request.kind, request.resource
    return {
        "operation": str(request.operation),
        "kind": [kind.group, kind.version, kind.kind],
        "resource": [resource.group, resource.version, resource.plural],
        "subresource": request.subresource,
        "namespace": request.namespace,
        "name": request.name,
        "object": request.object,
        "oldObject": request.old_object,
        "options": request.options,
        "user": request.user,
    }


def request_of(found: Json) -> Request:
    """The request that was recorded."""
    return Request(
        uid="",
        operation=Operation(found["operation"]),
        kind=GroupKind(*found["kind"]),
        resource=Resource(*found["resource"]),
        subresource=found["subresource"],
        namespace=found["namespace"],
        name=found["name"],
        object=found["object"],
        old_object=found["oldObject"],
        options=found["options"],
        user=found["user"],
        dry_run=True,
    )
