"""Whose law an object is under: its own namespace's, that of the namespaces that it is for, or that of all of them.

An object outside any namespace has no class of its own: labels that its author gives it would be its author's choice.
Where it says for whom it is (a volume by its claim, a backup by its namespaces), theirs counts; where it moves data and
doesn't say whose, everybody's does, all together. ADR 28 argues it.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from policies.facts.classification import CLASS_LABEL, JURISDICTION_LABEL, JurisdictionFact
from policies.facts.law import MACHINERY
from policies.facts.unknown import fetch
from policies.json import Json, JsonObject
from policies.matching import labels_of
from policies.snapshot import Query, Ref, Unknown

if TYPE_CHECKING:
    from policies.facts.context import Situation

_ALL = "*"
_PATTERN = "*?[{"  # a pattern may mean any namespace


def governing(workload: JsonObject, situation: "Situation") -> list[JurisdictionFact]:
    """The jurisdictions that bind what the object holds or moves, each once; none where no class asks for one."""
    own = situation.request.namespace
    names: list[str] = [name for name in workload["namespaces"] if name != own]
    if any(mark in name for name in names for mark in _PATTERN) or not (own or names):
        names = [_ALL]
    found = [_bound(situation.namespace_object, situation)] if own and not _exempt(own, situation) else []
    found += _of_all(situation) if _ALL in names else (law_of(name, situation) for name in names)
    return list({one["name"]: one for one in found if one is not None}.values())


def law_of(name: str, situation: "Situation") -> JurisdictionFact | None:
    """The jurisdiction that binds what is in a namespace; None where its class asks for none."""
    if _exempt(name, situation):
        return None
    namespace = fetch(situation.snapshot, Ref("", "Namespace", "", name))
    if namespace is None:  # whoever makes it says then whose it is
        return JurisdictionFact(f"namespace {name}, which does not exist", None, situation.today)
    return _bound(namespace, situation)


def _of_all(situation: "Situation") -> Iterable[JurisdictionFact | None]:
    """Of every namespace whose class is known; of every jurisdiction there is, where nobody can list namespaces.

    Nothing is ever admitted to a namespace that names no class, where there is no default: it holds nothing to keep.
    """
    listed = situation.snapshot.list(Query("", "Namespace"))
    if isinstance(listed, Unknown):
        return [JurisdictionFact(name, rule, situation.today) for name, rule in sorted(situation.law.rules.items())]
    return list(_of_each(listed, situation))


def _of_each(listed: Iterable[Json], situation: "Situation") -> Iterator[JurisdictionFact | None]:
    for namespace in listed:
        name = (namespace.get("metadata") or {}).get("name") or ""
        named = labels_of(namespace).get(CLASS_LABEL) or situation.law.default_class
        if named and not _exempt(name, situation):
            yield _bound(namespace, situation)


def _bound(namespace: Json, situation: "Situation") -> JurisdictionFact | None:
    """None where the namespace's class asks for none. A namespace that doesn't exist has no labels."""
    labels = labels_of(namespace)
    data_class = situation.law.data_class(str(labels.get(CLASS_LABEL) or ""))
    if not (data_class["residency"] or data_class["egress"]):
        return None
    return situation.law.jurisdiction(str(labels.get(JURISDICTION_LABEL) or ""), situation.today)


def _exempt(name: str, situation: "Situation") -> bool:
    return name in MACHINERY or name in situation.law.exempt
