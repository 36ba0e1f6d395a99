"""Which inputs a decision shares with others, for its record: the rules in force, and what it read of the cluster.

Guarantees that each goes along with the record that names it, for whoever sees to its durability, and that the data of
a Secret is in none of them. What only this request brought (the review, answers to its questions) goes into the
record's own part.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from audit.leaves.record import Input
from policies.consulted import Consulted, Read
from policies.decision import Decision, Inputs
from policies.json import Json

if TYPE_CHECKING:
    from policies.facts.law import Law

_LAWS = 16  # rules that were in force in this run and may still be named by a decision under way


class Archive(Protocol):
    """Where inputs are kept: `audit.sealed.inputs.SharedInputs`."""

    def address(self, digest: bytes) -> str: ...


@dataclass(frozen=True, slots=True)
class Archived:
    """For the sealed part: what was read, and which rules. For the leaf: addresses. For the log: all of it."""

    document: dict[str, Any] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    needs: tuple[Input, ...] = ()


class Archiving:
    """Tells for each decision what it needs beside its record."""

    def __init__(self, archive: Archive, *, withheld: Callable[[Json], Json]) -> None:
        self._archive = archive
        self._withheld = withheld
        self._laws: dict[tuple[bytes, bytes], Input] = {}

    def over(self, archive: Archive) -> "Archiving":
        """The same for another archive: it knows the rules that this one knows, those to come too."""
        other = Archiving(archive, withheld=self._withheld)
        other._laws = self._laws
        return other

    def in_force(self, law: "Law") -> Input:
        """Rules that decisions will be made by from now on."""
        key = (law.rulebook.digest, law.data_digest)
        if key not in self._laws:
            while len(self._laws) >= _LAWS:
                self._laws.pop(next(iter(self._laws)))
            self._laws[key] = _rules(law)
        return self._laws[key]

    def of(self, decision: Decision, consulted: Consulted | None) -> Archived:
        """What this decision was made from."""
        if consulted is None:
            return Archived()
        law = self._laws.get((decision.inputs.policies, decision.inputs.data))
        inputs = [law] if law is not None else []
        reads = tuple(consulted.reads())
        inputs += map(self._object, reads)
        document: dict[str, Any] = {"snapshot": consulted.document(reads)}
        if law is not None:
            document["rules"] = law.digest.hex()
        address = self._archive.address
        return Archived(document, tuple(sorted(address(one.digest) for one in inputs)), tuple(inputs))

    def _object(self, read: Read) -> Input:
        ref = read.ref
        tenant = ref.name if (ref.group, ref.kind) == ("", "Namespace") else ref.namespace
        secret = (ref.group, ref.kind) == ("", "Secret")
        return Input(read.digest, tenant, lambda: self._withheld(read.found) if secret else read.found)


def _rules(law: "Law") -> Input:
    from policies.written_rules import rules_digest, written_rules

    digest = rules_digest(Inputs(policies=law.rulebook.digest, data=law.data_digest))
    return Input(digest, "", lambda: written_rules(law))
