"""`authorizer`: asks whether the request's user, or a service account, may do something.

The host gives the answer: the value of `authorizer` is an `Authorizer` made with the user and a callable. What the
callable raises (an answer that is still pending, for instance) goes through the expression as any error does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, Table, method, table
from policies.cel.library.formats import label, subdomain
from policies.cel.library.strings import SPACE
from policies.cel.types import BOOL, STRING, CelType, library_type
from policies.cel.values import LibraryValue, Value

AUTHORIZER: CelType = library_type("kubernetes.authorization.Authorizer")
PATH_CHECK: CelType = library_type("kubernetes.authorization.PathCheck")
GROUP_CHECK: CelType = library_type("kubernetes.authorization.GroupCheck")
RESOURCE_CHECK: CelType = library_type("kubernetes.authorization.ResourceCheck")
DECISION: CelType = library_type("kubernetes.authorization.Decision")
CHECK_COST = 350_000


@dataclass(frozen=True, slots=True)
class Access:
    """The question, in the words of a SubjectAccessReview. `path` is set for a URL that is no resource."""

    verb: str
    user: Mapping[str, Any]  # username, uid, groups, extra
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    path: str = ""


class _Incomparable(LibraryValue):
    """The API server can't compare these values; neither can we."""

    __slots__ = ()

    def cel_equal(self, other: Value) -> bool:  # noqa: ARG002 - whatever it is
        raise EvaluationError("no such overload")

    def cel_native(self) -> Value:
        return EvaluationError("no such overload")


@dataclass(frozen=True, slots=True, eq=False)
class Decision(_Incomparable):
    """The answer. `error` is what went wrong while it was looked for."""

    allowed: bool
    reason: str = ""
    error: str = ""
    cel_type = DECISION


Ask = Callable[[Access], Decision]


@dataclass(frozen=True, slots=True, eq=False)
class Authorizer(_Incomparable):
    """The value of the variable `authorizer`: who asks, and whom to ask."""

    user: Mapping[str, Any]
    ask: Ask
    cel_type = AUTHORIZER

    def request_resource(
        self, group: str, resource: str, subresource: str = "", namespace: str = "", name: str = ""
    ) -> ResourceCheck:
        """The value of the variable `authorizer.requestResource`."""
        return ResourceCheck(self, group, resource, subresource, namespace, name)


@dataclass(frozen=True, slots=True, eq=False)
class PathCheck(_Incomparable):
    authorizer: Authorizer
    path: str
    cel_type = PATH_CHECK


@dataclass(frozen=True, slots=True, eq=False)
class GroupCheck(_Incomparable):
    authorizer: Authorizer
    group: str
    cel_type = GROUP_CHECK


@dataclass(frozen=True, slots=True, eq=False)
class ResourceCheck(_Incomparable):
    authorizer: Authorizer
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = field(default="")
    cel_type = RESOURCE_CHECK


def _path(authorizer: Authorizer, path: str) -> PathCheck:
    if not path.strip(SPACE):
        raise EvaluationError("path must not be empty")
    return PathCheck(authorizer, path)


def _service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if subdomain(name):
        raise EvaluationError("Invalid service account name")
    if label(namespace):
        raise EvaluationError("Invalid service account namespace")
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    user = {"username": f"system:serviceaccount:{namespace}:{name}", "uid": "", "groups": groups}
    return replace(authorizer, user=user)


def _resource(check: GroupCheck, resource: str) -> ResourceCheck:
    if not resource.strip(SPACE):
        raise EvaluationError("resource must not be empty")
    return ResourceCheck(check.authorizer, check.group, resource)


def _check_path(check: PathCheck, verb: str) -> Decision:
    return _asked(check.authorizer, Access(verb, check.authorizer.user, path=check.path))


def _check_resource(check: ResourceCheck, verb: str) -> Decision:
    access = Access(
        verb,
        check.authorizer.user,
        check.group,
        check.resource,
        check.subresource,
        check.namespace,
        check.name,
        check.field_selector,
        check.label_selector,
    )
    return _asked(check.authorizer, access)


def _asked(authorizer: Authorizer, access: Access) -> Decision:
    try:
        return authorizer.ask(access)
    except EvaluationError:
        raise
    except Exception as error:
        raise EvaluationError(f"authorizer failed: {error}") from error


def _setter(name: str) -> Callable[[ResourceCheck, str], ResourceCheck]:
    def run(check: ResourceCheck, value: str) -> ResourceCheck:
        changes: dict[str, Any] = {name: value}
        return replace(check, **changes)

    return run


def _selector_cost(_: Value, selector: Value, *__: Any) -> int:
    """Parsing it, and a requirement for every second character at worst."""
    length = cost.size(selector)
    requirements = ceil(length * 0.5) * (cost.LIST + cost.OBJECT)
    return cost.LIST + ceil(length * cost.STRING_FACTOR) + requirements


def _setting(name: str, attribute: str, price: Any = 1) -> Function:
    call = _setter(attribute)
    return Function(name, [method([RESOURCE_CHECK, STRING], RESOURCE_CHECK, call)], cost=price)


TABLE: Table = table(
    Function("path", [method([AUTHORIZER, STRING], PATH_CHECK, _path)], cost=1),
    Function("group", [method([AUTHORIZER, STRING], GROUP_CHECK, GroupCheck)], cost=1),
    Function("serviceAccount", [method([AUTHORIZER, STRING, STRING], AUTHORIZER, _service_account)], cost=1),
    Function("resource", [method([GROUP_CHECK, STRING], RESOURCE_CHECK, _resource)], cost=1),
    _setting("subresource", "subresource"),
    _setting("namespace", "namespace"),
    _setting("name", "name"),
    Function(
        "check",
        [
            method([PATH_CHECK, STRING], DECISION, _check_path),
            method([RESOURCE_CHECK, STRING], DECISION, _check_resource),
        ],
        cost=CHECK_COST,
    ),
    Function("errored", [method([DECISION], BOOL, lambda decision: bool(decision.error))], cost=1),
    Function("error", [method([DECISION], STRING, lambda decision: decision.error)], cost=1),
    Function("allowed", [method([DECISION], BOOL, lambda decision: decision.allowed)], cost=1),
    Function("reason", [method([DECISION], STRING, lambda decision: decision.reason)], cost=1),
    _setting("fieldSelector", "field_selector", _selector_cost),
    _setting("labelSelector", "label_selector", _selector_cost),
)
