"""The catalogue: for each kind, where it keeps pods, images, models, devices, destinations, keys and identities.

Guarantees: looked up by group, version and kind; versions of one kind are told apart; a kind's paths are compiled once,
when it is first met. A deployer's file is merged over ours whole or not at all.
What a kind's objects mean is `extract`'s business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from typing import Any

import orjson

from policies.workloads.catalogue.paths import Paths
from policies.workloads.catalogue.tables import COMPILED as TABLES
from policies.workloads.catalogue.tables import HERE, table

COMPILED = HERE / "catalogue.json"

_LONGEST = 253

Row = Mapping[str, Any]  # one entry as the compiled file holds it


@dataclass(frozen=True)
class Template:
    """Where one PodSpec-shaped object stands, and what its pods keep of the object around it."""

    template: str  # path of the object that holds the spec; empty for the object itself
    spec: str = "spec"  # path of the spec below it; empty when it is the spec itself
    metadata: str = "template"  # where labels and annotations stand: template, object, beside, joined by +, or none
    lacks: Sequence[str] = ()  # PodSpec fields the kind's own schema drops
    planned: str = ""  # `always`: a controller plans by the template; `queued`: it does when a queue is named
    flat: Sequence[str] = ()  # the spec is put together: where its containers stand below the template
    fields: str = ""  # where its other fields stand below the template; empty: in the template itself
    defaults: str = ""  # where they stand in the object when the template leaves them out

    @cached_property
    def steps(self) -> tuple[str, ...]:
        return tuple(self.spec.split(".")) if self.spec else ()

    @cached_property
    def below(self) -> str:
        """The path of the spec below the template; of what its fields stand in, when it is put together."""
        return ".".join(step for step in self.fields.split(".") if step) if self.flat else self.spec

    @cached_property
    def is_plain(self) -> bool:
        """Whether the spec stands at `spec`, whole: the usual case."""
        return self.spec == "spec" and not self.flat and not self.lacks

    def lacks_none_of(self, spec: Mapping[str, Any]) -> bool:
        return not any(name in spec for name in self.lacks)


@dataclass(frozen=True)
class Entry:
    """One kind in one of its shapes: versions with the same paths share an entry."""

    group: str
    kind: str
    row: Row = field(repr=False)

    @cached_property
    def nests(self) -> bool:
        """Whether its objects hold whole objects, or parts of pods, inside."""
        return bool(self.row.get("nested"))

    @cached_property
    def stated(self) -> frozenset[str]:
        """The facts that its rows say outside of its pods' specs."""
        return frozenset(name for name, rows in self.row.items() if rows)

    @cached_property
    def lends(self) -> bool:
        """Whether it keeps containers outside of its pods' lists: then any fact may stand in them."""
        return bool(self.row.get("containers"))

    @cached_property
    def templates(self) -> Paths[Template]:
        return Paths((one["template"], Template(**one)) for one in self.row.get("pods", ()))

    @cached_property
    def containers(self) -> Paths[None]:
        return Paths((path, None) for path in self.row.get("containers", ()))

    def paths(self, fact: str) -> Paths[Row]:
        """The paths of one fact outside of pods; the tag of a path is its row in the catalogue."""
        return self._facts[fact] if fact in self._facts else self._compile(fact)

    @cached_property
    def _facts(self) -> dict[str, Paths[Row]]:
        return {}

    def _compile(self, fact: str) -> Paths[Row]:
        rows = [one if isinstance(one, dict) else {"at": one} for one in self.row.get(fact, ())]
        compiled: Paths[Row] = Paths((one["at"], one) for one in rows)
        self._facts[fact] = compiled
        return compiled


class Catalogue:
    """All kinds. Immutable but for what it has compiled already."""

    def __init__(self, kinds: Mapping[str, list[Row]], written: bytes) -> None:
        """`written` is the compiled file that holds the kinds."""
        self.kinds = kinds
        self.written = written
        self._entries: dict[str, list[Entry]] = {}

    @classmethod
    def of(cls, compiled: bytes) -> "Catalogue":
        """The catalogue that a compiled file holds."""
        return cls(orjson.loads(compiled), compiled)

    def kind_of(self, group: str, version: str, kind: str) -> Entry | None:
        """The entry of a kind, or None: unknown. A version the catalogue doesn't know is read as the newest it does."""
        name = f"{group}/{kind}"
        entries = self._entries.get(name)
        if entries is None:
            rows = self.kinds.get(name)
            if not rows:
                name = self._family(group)
                rows = self.kinds.get(name)
            if not rows:
                return None
            if name not in self._entries:  # of a family by its name: kinds are anybody's text
                self._entries[name] = [Entry(group, kind, row) for row in rows]
            entries = self._entries[name]
        for entry in entries:
            if version in entry.row["versions"]:
                return entry
        return entries[0]

    def _family(self, group: str) -> str:
        """The rows for all kinds of a group, or of those that end alike (`*.services.k8s.aws`): the narrowest."""
        if (name := f"{group}/*") in self.kinds:
            return name
        group = group[:_LONGEST]  # of a group, as of any name of the DNS
        while "." in group:
            group = group.partition(".")[2]
            if (name := f"*.{group}/*") in self.kinds:
                return name
        return ""

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over all data that facts depend on: this catalogue and the tables."""
        return _digest(self.written)

    def __len__(self) -> int:
        return len(self.kinds)


@cache
def builtin() -> Catalogue:
    """The catalogue that ships with the product."""
    return Catalogue.of(COMPILED.read_bytes())


def resource_of(group: str, version: str, kind: str, catalogue: Catalogue | None = None) -> tuple[str, bool]:
    """The plural of a kind, and whether its objects lie in namespaces; by the built-in catalogue if none is given.

    Nobody but the API server knows this of a kind that isn't catalogued by its name: its plural is guessed from that.
    """
    entry = kind_of(group, version, kind, catalogue)
    if entry is not None and "plural" in entry.row:
        return entry.row["plural"], entry.row.get("namespaced", True)
    plural = table("facts")["inert"].get(group, {}).get(kind)
    if plural is not None:
        return plural.rstrip("!"), not plural.endswith("!")
    lower, namespaced = kind.lower(), entry is None or entry.row.get("namespaced", True)
    if lower.endswith(("s", "x", "z", "ch", "sh")):
        return lower + "es", namespaced
    if lower.endswith("y") and lower[-2:-1] not in ("a", "e", "i", "o", "u"):
        return lower[:-1] + "ies", namespaced
    return lower + "s", namespaced


def knows_scope(group: str, version: str, kind: str, catalogue: Catalogue | None = None) -> bool:
    """Whether `resource_of` knows, and doesn't guess, if objects of a kind lie in namespaces."""
    return kind_of(group, version, kind, catalogue) is not None or kind in table("facts")["inert"].get(group, {})


@cache
def catalogue_digest() -> bytes:
    """The digest of the built-in catalogue."""
    return _digest(COMPILED.read_bytes())


def _digest(compiled: bytes) -> bytes:
    digest = sha256(b"bailiwick/catalogue/v1\0")
    for data in (compiled, TABLES.read_bytes()):
        digest.update(sha256(data).digest())
    return digest.digest()


def kind_of(group: str, version: str, kind: str, catalogue: Catalogue | None = None) -> Entry | None:
    """The entry of a kind, or None; of the built-in catalogue if none is given."""
    return (builtin() if catalogue is None else catalogue).kind_of(group, version, kind)
