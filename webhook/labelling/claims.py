"""Whose an identity is: of two nodes that say they are the same machine, the one that came first.

Whoever can register nodes can give one the provider id of a machine that stands elsewhere. The API server says when a
node was made, so the elder keeps its place, and the younger has none until the elder is gone. Within one second nobody
can tell, and neither has one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from policies.json import JsonObject

Identity = tuple[str, str]  # of which kind, and what it says
_PROVIDER_ID, _SERIAL = "spec.providerID", "status.nodeInfo.systemUUID"


@dataclass(frozen=True, slots=True)
class _Claim:
    born: str  # RFC 3339 in UTC and whole seconds: sorts as it is
    identities: frozenset[Identity]


@dataclass(slots=True)
class Claims:
    """What nodes say they are, as last noted."""

    _claims: dict[str, _Claim] = field(default_factory=dict)
    _claimants: dict[Identity, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, nodes: Iterable[JsonObject]) -> "Claims":
        found = cls()
        for node in nodes:
            found.note(str((node.get("metadata") or {}).get("name") or ""), node)
        return found

    def note(self, name: str, node: JsonObject | None) -> frozenset[str]:
        """What this node says of itself now; None: it is gone. Returns the others that this makes a difference to."""
        before, now = self._claims.get(name), None if node is None else _claim(node)
        if before == now:
            return frozenset()
        concerned = self._others(name)
        for identity in before.identities if before else ():
            self._claimants[identity].discard(name)
            if not self._claimants[identity]:
                del self._claimants[identity]
        for identity in now.identities if now else ():
            self._claimants.setdefault(identity, set()).add(name)
        if now is None:
            self._claims.pop(name, None)
            return concerned
        self._claims[name] = now
        return concerned | self._others(name)

    def rival(self, name: str, *, by_serial: bool) -> str | None:
        """Why this machine is, or may be, another node; None when it can be no other. Serials count if asked."""
        claim = self._claims.get(name)
        if claim is None:
            return None
        for kind, what in sorted(claim.identities):
            if kind == _PROVIDER_ID or by_serial:
                for other in sorted(self._claimants[kind, what] - {name}):
                    if self._claims[other].born <= claim.born:
                        return f"`{kind}` `{what}` is node `{other}`'s, which is not younger"
        return None

    def _others(self, name: str) -> frozenset[str]:
        claim = self._claims.get(name)
        named = (self._claimants[identity] for identity in claim.identities) if claim else ()
        return frozenset().union(*named) - {name}


def _claim(node: JsonObject) -> _Claim:
    metadata, spec = node.get("metadata") or {}, node.get("spec") or {}
    info: Mapping[str, object] = (node.get("status") or {}).get("nodeInfo") or {}
    said = {_PROVIDER_ID: spec.get("providerID"), _SERIAL: str(info.get("systemUUID") or "").lower()}
    born = str(metadata.get("creationTimestamp") or "")
    return _Claim(born, frozenset((kind, str(what)) for kind, what in said.items() if what))
