"""Somebody who may: named users, groups and service accounts, as one CEL expression and as words for a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.cel.unparse import literal
from policies.json import JsonObject

_SHOWN = 4  # names in a message; the API server cuts long ones


@dataclass(frozen=True, slots=True)
class Actors:
    """Whoever has one of these names or is in one of these groups. Nobody, when both are empty."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: JsonObject) -> "Actors":
        """From an `Actors` part of a ClusterProfile."""
        accounts = tuple(account(name) for name in spec.get("serviceAccounts") or ())
        return cls((*(spec.get("users") or ()), *accounts), tuple(spec.get("groups") or ()))

    def and_user(self, name: str) -> "Actors":
        return Actors(tuple(dict.fromkeys((*self.users, name))), self.groups)

    @property
    def expression(self) -> str:
        """Is the request's user one of them? CEL over `request`; it never fails, whatever the request holds."""
        ways = []
        if self.users:
            ways.append(f"request.userInfo.username in {listed(self.users)}")
        if self.groups:
            among = f"request.userInfo.groups.exists(group, group in {listed(self.groups)})"
            ways.append(f"(has(request.userInfo.groups) && {among})")
        return " || ".join(ways) or "false"

    def __str__(self) -> str:
        names = [*(f"group `{name}`" for name in self.groups), *(f"`{name}`" for name in self.users)]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return (", ".join(names[:_SHOWN]) or "nobody") + more


def account(name: str) -> str:
    """The user name of a service account that is written `<namespace>/<name>`."""
    return "system:serviceaccount:" + name.replace("/", ":", 1)


def listed(texts: Sequence[str]) -> str:
    """A CEL list of strings."""
    return f"[{', '.join(map(literal, texts))}]"
