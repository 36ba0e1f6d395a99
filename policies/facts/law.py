"""What the operator has declared, compiled for the rules: geography, jurisdictions, data classes, defaults."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING

from policies.facts.classification import DataClassFact, JurisdictionFact, data_class_fact, undefined_class
from policies.geography import Geography, JurisdictionInvalid, JurisdictionRule, ProfileInvalid, Regions, Transfer
from policies.json import JsonObject
from policies.rulebook import Rulebook, RulesInvalid
from policies.workloads import Catalogue, catalogue_digest

if TYPE_CHECKING:
    from policies.kinds.reading import Located

    Places = Mapping[tuple[str, str, str], Located]  # by kind, namespace and name: where objects are written
    Where = Callable[[str, str, str], str]

# The cluster's own machinery in every cluster. A ClusterProfile names further namespaces.
MACHINERY = ("kube-node-lease", "kube-public", "kube-system")


@dataclass(frozen=True)
class Law:
    """Immutable; one value for each set of rules in force."""

    rulebook: Rulebook
    geography: Geography
    rules: Mapping[str, JurisdictionRule]
    classes: Mapping[str, DataClassFact]
    default_class: str
    default_jurisdiction: str
    exempt: frozenset[str] = frozenset()  # infrastructure: judged by those policies alone that say so
    catalogue: Catalogue | None = None  # of workloads: a deployer's own over the built-in one, or the latter alone

    @classmethod
    def of(
        cls,
        rulebook: Rulebook,
        regions: Regions | None = None,
        catalogue: Catalogue | None = None,
        places: "Places | None" = None,
    ) -> "Law":
        """Raises RulesInvalid with everything that doesn't fit together, by file and line where `places` has them."""
        problems: list[str] = []
        where = partial(_where, places or {})
        profile = _profile(rulebook, problems)
        geography = _geography(profile, regions or Regions.builtin(), problems, where)
        rules = {name: _rule(name, spec, geography, problems, where) for name, spec in rulebook.specs("Jurisdiction")}
        if problems:
            raise RulesInvalid(problems)
        defaults = profile.get("defaults") or {}
        return cls(
            rulebook,
            geography,
            {name: rule for name, rule in rules.items() if rule is not None},
            {name: data_class_fact(name, spec) for name, spec in rulebook.specs("DataClass")},
            str(defaults.get("dataClass") or ""),
            str(defaults.get("jurisdiction") or ""),
            frozenset((*MACHINERY, *(profile.get("infrastructureNamespaces") or ()))),
            catalogue,
        )

    def data_class(self, name: str) -> DataClassFact:
        """The class of that name, or the declared default for no name. One nobody defined asks for everything."""
        name = name or self.default_class
        return self.classes.get(name) or undefined_class(name)

    def jurisdiction(self, name: str, on: date) -> JurisdictionFact:
        name = name or self.default_jurisdiction
        return JurisdictionFact(name, self.rules.get(name), on)

    def with_transfers(self, kept: Mapping[str, tuple[Transfer, ...]]) -> "Law":
        """The same law with these transfers, by the name of their jurisdiction, and no others: to ask what relies on
        them. Not a law to decide by: its rulebook still says what was declared.
        """
        rules = {name: replace(rule, transfers=kept.get(name, ())) for name, rule in self.rules.items()}
        return replace(self, rules=rules)

    @cached_property
    def data_digest(self) -> bytes:
        """SHA-256 over the data that facts are computed from: regions and catalogue."""
        kinds = catalogue_digest() if self.catalogue is None else self.catalogue.digest
        return sha256(self.geography.regions.digest + kinds).digest()


def _profile(rulebook: Rulebook, problems: list[str]) -> JsonObject:
    profiles = dict(rulebook.specs("ClusterProfile"))
    if len(profiles) > 1:
        names = ", ".join(f"`{name}`" for name in sorted(profiles))
        problems.append(f"one ClusterProfile describes one cluster, here are {names}: keep one of them")
    return next(iter(profiles.values()), {})


def _geography(profile: JsonObject, regions: Regions, problems: list[str], where: "Where") -> Geography:
    try:
        return Geography(regions, profile)
    except ProfileInvalid as error:
        problems.append(f"{where('ClusterProfile', '', str(error))}: {error}")
        return Geography(regions)


def _rule(
    name: str, spec: JsonObject, geography: Geography, problems: list[str], where: "Where"
) -> JurisdictionRule | None:
    try:
        return JurisdictionRule.of(spec, geography)
    except JurisdictionInvalid as error:
        problems.append(f"{where('Jurisdiction', name, str(error))}: {error}")
        return None


def _where(places: "Places", kind: str, name: str, error: str) -> str:
    """File and line of the field that an error begins with; the kind and name where no file is known."""
    found = next((one for (of, _, named), one in places.items() if of == kind and named == (name or named)), None)
    if found is None or not found.source:
        return f"{kind} `{name}`" if name else kind
    field = re.match(r"`([\w.\[\]]+)`", error)
    steps = re.findall(r"\w+", field[1]) if field else ()
    line = found.position(tuple(int(step) if step.isdigit() else step for step in steps))
    return f"{found.source}:{line}" if line else found.source
