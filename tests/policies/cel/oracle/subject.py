"""Our engine, asked the same questions as the peer and answering in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.cel.budget import PATIENCE
from policies.cel.conformance import answer
from policies.cel.environment import Environment
from policies.cel.errors import CompileError
from policies.cel.library.authorizer import Access, Authorizer, Decision
from policies.cel.library.patch import JSON_PATCH, object_type
from policies.cel.program import Compiler, Program
from policies.cel.types import BOOL, STRING, ObjectType, list_of
from policies.native.evaluation import Variables
from policies.native.expressions import declared
from tests.policies.cel.oracle.peer import NEWEST

Json = dict[str, Any]
_EXPECTED = {"bool": BOOL, "string": STRING, "object": object_type("Object"), "patches": list_of(JSON_PATCH)}
BOUND = ("object", "oldObject", "params", "request", "namespaceObject")


class Subject:
    """An API server of a version. Stateless but for the environments it made."""

    def __init__(self, version: str = NEWEST) -> None:
        self._version = version
        self._compiler = Compiler()
        self._environments: dict[tuple[str, bool], Environment] = {}

    def answer(self, question: Json, bindings: Json) -> Json:
        """The answer to a question as the peer would give it. Whatever isn't the engine's own error is raised.

        The second evaluation goes another way than the first: where they differ, that is the answer. What was stopped
        may be stopped elsewhere the next time.
        """
        try:
            program, stored = self._compile(question)
        except CompileError as error:
            return {"compile_err": str(error)}
        first, second = (dict(answer(program, _names(bindings, stored), PATIENCE)) for _ in range(2))
        if repr(first) == repr(second) or "operation cancelled" in f"{first}{second}":
            return first
        return {"type": first["type"], "err": f"unsteady: first {first}, then {second}", "cost": -1}

    def _compile(self, question: Json) -> tuple[Program, Mapping[str, Program]]:
        version = question.get("version", "")
        plain = self._environment(version, patches=False)
        stored: dict[str, Program] = {}
        for variable in question.get("variables", ()):
            made = self._compiler.compile(variable["expression"], _with(plain, stored))
            stored[variable["name"]] = made
        environment = self._environment(version, patches=bool(question.get("patches")))
        return self._compiler.compile(
            question["expr"], _with(environment, stored), _EXPECTED.get(question.get("returns", ""))
        ), stored

    def _environment(self, version: str, patches: bool) -> Environment:
        if (version, patches) not in self._environments:
            minor = int((version or self._version).removeprefix("1."))
            self._environments[version, patches] = Environment.admission((1, minor), patches)
        return self._environments[version, patches]


def _with(environment: Environment, stored: Mapping[str, Program]) -> Environment:
    fields = {name: declared(program.type) for name, program in stored.items()}
    type_ = ObjectType("kubernetes.variables", fields)
    return environment.extend(variables={"variables": type_}, types=(type_,))


def _names(bindings: Json, stored: Mapping[str, Program]) -> Mapping[str, object]:
    names: dict[str, object] = {name: bindings.get(name) for name in BOUND}
    request = bindings.get("request") or {}
    names["authorizer"] = authorizer = Authorizer(request.get("userInfo") or {}, _echo)
    about = request.get("resource") or {}
    names["authorizer.requestResource"] = authorizer.request_resource(
        about.get("group", ""),
        about.get("resource", ""),
        request.get("subResource", ""),
        request.get("namespace", ""),
        request.get("name", ""),
    )
    names["variables"] = Variables(names, stored)
    return names


def _echo(access: Access) -> Decision:
    """The same made-up authorizer as in `cel-oracle/authorizer.go`: it says back what it was asked."""
    user = access.user
    parts = [f"user={user.get('username', '')}", f"groups={','.join(user.get('groups') or ())}", f"verb={access.verb}"]
    if access.path:
        parts.append(f"path={access.path}")
    else:
        parts += [f"group={access.group}", f"resource={access.resource}", f"subresource={access.subresource}"]
        parts += [f"namespace={access.namespace}", f"name={access.name}"]
    error = "exploded" if access.verb == "explode" else ""
    return Decision(access.verb in ("get", "list"), " ".join(parts), error)
