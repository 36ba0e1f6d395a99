"""The params of a binding: which objects its policy is evaluated with."""

from collections.abc import Sequence

from policies.json import Json, JsonObject
from policies.native.model import ParamRef
from policies.native.surroundings import Surroundings
from policies.request import GroupKind, labels_of


class ParamsRefused(Exception):
    """The binding can't be evaluated: its params are missing or can't be."""


def params_of(kind: GroupKind | None, ref: ParamRef | None, around: Surroundings) -> Sequence[Json]:
    """One evaluation for each of these; a single None where the policy or the binding has no params.

    Raises ParamsRefused, Undetermined or Awaiting.
    """
    if kind is None or ref is None:
        return (None,)
    namespaced = around.is_namespaced(kind)
    if namespaced is None:  # found out when the policy is looked at, before its bindings
        raise ParamsRefused(unknown_kind(kind))
    found = _found(kind, ref, _namespace(ref, around) if namespaced else _no_namespace(ref), around)
    if not found and ref.deny_if_missing:
        raise ParamsRefused("no params found for policy binding with `Deny` parameterNotFoundAction")
    return [_typed(one, kind) for one in found]


def unknown_kind(kind: GroupKind) -> str:
    """What the API server says of a paramKind that it doesn't serve."""
    group = f"{kind.group}/{kind.version}"
    return f"failed to find resource referenced by paramKind: '{group}, Kind={kind.kind}'"


def _namespace(ref: ParamRef, around: Surroundings) -> str:
    namespace = ref.namespace or around.request.namespace
    if not namespace:
        raise ParamsRefused("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return namespace


def _no_namespace(ref: ParamRef) -> str:
    if ref.namespace:
        raise ParamsRefused("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    return ""


def _found(kind: GroupKind, ref: ParamRef, namespace: str, around: Surroundings) -> Sequence[JsonObject]:
    if ref.name:
        one = around.params(kind, namespace, ref.name)
        return [] if one is None else [one]
    assert ref.selector is not None
    return [one for one in around.all_params(kind, namespace) if ref.selector.matches(labels_of(one))]


def _typed(found: JsonObject, kind: GroupKind) -> JsonObject:
    """With apiVersion and kind, which a list's items don't always have."""
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    return {"apiVersion": version, "kind": kind.kind, **found}
