"""What surrounds a request and isn't in it: its namespace, params, the authorizer, and what the API server serves.

Everything comes from a snapshot. What a snapshot doesn't know raises `Undetermined`, or `Awaiting` where I/O could
still tell: nobody here takes the unknown for absent.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from policies.cel.library.authorizer import Access, Authorizer, Decision
from policies.facts.unknown import Undetermined, decided, fetch
from policies.json import Json, JsonObject, canonical
from policies.native import shapes
from policies.native.shapes import Shape
from policies.request import GroupKind, Request, Resource
from policies.snapshot import Authorization, Query, Ref, Snapshot, Unknown
from policies.workloads import kind_of, resource_of

_DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")
# kinds of Kubernetes 1.36 that are served in several versions; all others have one
_SEVERAL: Mapping[tuple[str, str], tuple[Resource, ...]] = {
    ("autoscaling", "horizontalpodautoscalers"): (
        Resource("autoscaling", "v2", "horizontalpodautoscalers"),
        Resource("autoscaling", "v1", "horizontalpodautoscalers"),
    ),
    ("", "events"): (Resource("", "v1", "events"), Resource("events.k8s.io", "v1", "events")),
    ("events.k8s.io", "events"): (Resource("", "v1", "events"), Resource("events.k8s.io", "v1", "events")),
}
_NAMESPACE_METADATA = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "finalizers",
)


class NamespaceMissing(Exception):
    """The request's namespace doesn't exist: the API server answers 404."""


class Surroundings:
    """One request's surroundings; what was looked up once is remembered."""

    def __init__(self, request: Request, snapshot: Snapshot) -> None:
        self.request, self._snapshot = request, snapshot

    @property
    def about_namespace(self) -> bool:
        """Whether the request is about a Namespace: such a request carries its own name as its namespace."""
        kind = self.request.kind
        return (kind.group, kind.version, kind.kind) == ("", "v1", "Namespace")

    @cached_property
    def namespace(self) -> Json:
        """The Namespace as expressions see it, None for what lies in none.

        Raises NamespaceMissing, Undetermined or Awaiting.
        """
        if self.about_namespace or not self.request.namespace:
            return None
        found = self.stored_namespace
        metadata = found.get("metadata") or {}
        return {
            "metadata": {name: metadata[name] for name in _NAMESPACE_METADATA if name in metadata},
            "spec": found.get("spec") or {},
            "status": found.get("status") or {},
        }

    @cached_property
    def stored_namespace(self) -> JsonObject:
        """The Namespace that the request names."""
        found = fetch(self._snapshot, Ref("", "Namespace", "", self.request.namespace))
        if found is None:
            raise NamespaceMissing(f'namespaces "{self.request.namespace}" not found')
        return dict(found)

    def require_namespace(self) -> None:
        """Raises NamespaceMissing where it surely doesn't exist; whether it is known is only asked when it is read."""
        if self.request.namespace and not self.about_namespace:
            with suppress(Undetermined):
                _ = self.stored_namespace

    def authorizer(self) -> Mapping[str, object]:
        """The values of `authorizer` and `authorizer.requestResource`."""
        request, user = self.request, self.request.user
        made = Authorizer(user, self._ask)
        resource = request.resource
        check = made.request_resource(
            resource.group, resource.plural, request.subresource, request.namespace, request.name
        )
        return {"authorizer": made, "authorizer.requestResource": check}

    def _ask(self, access: Access) -> Decision:
        answer = self._snapshot.answer(Authorization(canonical(_review(access))))
        status = decided(decided(answer).value)
        if not isinstance(status, Mapping):
            raise Undetermined("the authorizer's answer")
        error = str(status.get("evaluationError") or "")
        return Decision(bool(status.get("allowed")), str(status.get("reason") or ""), error)

    def params(self, kind: GroupKind, namespace: str, name: str) -> JsonObject | None:
        """One object of a paramKind, None where there is none."""
        return fetch(self._snapshot, Ref(kind.group, kind.kind, namespace, name))

    def all_params(self, kind: GroupKind, namespace: str) -> Sequence[JsonObject]:
        """All objects of a paramKind, of one namespace where one is named, ordered by namespace and name."""
        return decided(self._snapshot.list(Query(kind.group, kind.kind, namespace)))

    def is_namespaced(self, kind: GroupKind) -> bool | None:
        """Whether objects of this kind lie in namespaces; None where the API server has no such kind."""
        definition = self.definition(kind.group, kind=kind.kind)
        if definition is not None:
            served = any(one["name"] == kind.version and one.get("served") for one in definition["spec"]["versions"])
            return definition["spec"]["scope"] == "Namespaced" if served else None
        if shapes.built_in(kind) is not None or kind_of(kind.group, kind.version, kind.kind) is not None:
            return resource_of(kind.group, kind.version, kind.kind)[1]
        if kind.group in shapes.built_in_groups():
            return None
        raise Undetermined(f"whether {kind} is namespaced: its CustomResourceDefinition")

    def definition(self, group: str, *, kind: str = "", plural: str = "") -> Any:
        """The CustomResourceDefinition of a kind or a plural; None where none is known."""
        found = self._snapshot.list(Query(*_DEFINITION))
        if isinstance(found, Unknown):  # then a single one may be known all the same, by its name
            name = plural or resource_of(group, "", kind)[0]
            found = [self._snapshot.get(Ref(*_DEFINITION, "", f"{name}.{group}"))]
        for one in found:
            names = one["spec"]["names"] if isinstance(one, Mapping) else {}
            if names and one["spec"]["group"] == group and (names["kind"] == kind or names["plural"] == plural):
                return one
        return None

    def equivalents(self, resource: Resource) -> Sequence[Resource]:
        """Under which names the API server serves the same objects. Raises Undetermined."""
        several = _SEVERAL.get((resource.group, resource.plural))
        if several is not None:
            return several
        if resource.group in shapes.built_in_groups():
            return (resource,)
        definition = self.definition(resource.group, plural=resource.plural)
        if definition is None:
            raise Undetermined(f"the served versions of {resource.plural}.{resource.group}")
        served = (one["name"] for one in definition["spec"]["versions"] if one.get("served"))
        return [Resource(resource.group, version, resource.plural) for version in served]

    def converted(self, found: Json, resource: Resource) -> Json:
        """The object as its kind's other version has it. Raises Undetermined where only the API server can tell."""
        if not isinstance(found, Mapping):
            return found
        definition = self.definition(resource.group, plural=resource.plural)
        strategy = ((definition or {}).get("spec", {}).get("conversion") or {}).get("strategy", "None")
        if definition is None or strategy != "None":
            raise Undetermined(f"the object as {resource.group}/{resource.version}: only the API server can convert it")
        return {**found, "apiVersion": f"{resource.group}/{resource.version}"}

    def shape(self, kind: GroupKind) -> Shape:
        """How objects of this kind are merged."""
        known = shapes.built_in(kind)
        if known is not None:
            return known
        definition = self.definition(kind.group, kind=kind.kind)
        return shapes.unknown() if definition is None else shapes.defined(definition, kind.version)


def _review(access: Access) -> JsonObject:
    """The question as the spec of a SubjectAccessReview."""
    user = access.user
    asker = {"user": user.get("username") or "", "groups": list(user.get("groups") or ())}
    asker |= {name: user[name] for name in ("uid", "extra") if user.get(name)}
    if access.path:
        return {**asker, "nonResourceAttributes": {"path": access.path, "verb": access.verb}}
    attributes: dict[str, Any] = {"verb": access.verb, "version": "*"}
    for name in ("group", "resource", "subresource", "namespace", "name"):
        if getattr(access, name):
            attributes[name] = getattr(access, name)
    for name, text in (("fieldSelector", access.field_selector), ("labelSelector", access.label_selector)):
        if text:
            attributes[name] = {"rawSelector": text}
    return {**asker, "resourceAttributes": attributes}
