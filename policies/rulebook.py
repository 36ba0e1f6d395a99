"""Everything the operator has decided, as one immutable value with a digest."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from policies.json import JsonObject, canonical

if TYPE_CHECKING:
    from policies.kinds import Kind, SovereigntyPolicy


class RulesInvalid(Exception):
    """The rules can't be put in force. `problems` lists all of them; the rules of before stay in force."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        self.hint = "correct what is named above; nothing of it was put in force"
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Rulebook:
    """The operator's objects by kind and name; later objects of the same name replace earlier ones."""

    objects: "Mapping[tuple[str, str, str], Kind]"  # (kind, namespace, name)

    @classmethod
    def of(cls, kinds: "Iterable[Kind]") -> "Rulebook":
        return cls({(found.kind, found.metadata.namespace or "", found.metadata.name): found for found in kinds})

    def of_kind(self, kind: str) -> "tuple[Kind, ...]":
        return tuple(self.objects[key] for key in sorted(self.objects) if key[0] == kind)

    @property
    def policies(self) -> "Iterator[SovereigntyPolicy]":
        """The policies, sorted by name."""
        from policies.kinds import SovereigntyPolicy

        return (found for found in self.of_kind("SovereigntyPolicy") if isinstance(found, SovereigntyPolicy))

    def specs(self, kind: str) -> "Iterator[tuple[str, JsonObject]]":
        """Name and spec, in the JSON form in which the object was written, sorted by name."""
        for found in self.of_kind(kind):
            yield found.metadata.name, found.model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over the canonical JSON of all objects, sorted by kind, namespace and name."""
        hashed = sha256(b"bailiwick/rulebook/v1\0")
        for key in sorted(self.objects):
            spec = self.objects[key].model_dump(mode="json", by_alias=True, exclude_none=True)
            hashed.update(canonical([key, spec.get("spec")]))
        return hashed.digest()
