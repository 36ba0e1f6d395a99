"""Whose law an object is under: its own namespace's, that of the namespaces that it is for, or that of all of them.

An object outside any namespace has no class of its own: labels that its author gives it would be its author's choice.
Where it says for whom it is (a volume by its claim, a backup by its namespaces), theirs counts; where it moves data and
doesn't say whose, everybody's does, all together. ADR 28 argues it.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from policies.deciding.matching import labels_of
from policies.facts.classification import (
    CLASS_LABEL,
    JURISDICTION_LABEL,
    DataClassFact,
    JurisdictionFact,
    undefined_class,
)
from policies.facts.law import MACHINERY
from policies.facts.unknown import fetch
from policies.json import Json, JsonObject
from policies.snapshot import Query, Ref, Unknown

if TYPE_CHECKING:
    from policies.facts.context import Situation

_ALL = "*"
_PATTERN = "*?[{"  # a pattern may mean any namespace


def governing(workload: JsonObject, situation: "Situation") -> list[JurisdictionFact]:
    """The jurisdictions that bind what the object holds or moves, each once; none where no class asks for one."""
    own, names = _whose(workload, situation)
    found = [_bound(situation.namespace_object, situation)] if own and not _exempt(own, situation) else []
    found += _of_all(situation) if _ALL in names else (law_of(name, situation) for name in names)
    return list({one["name"]: one for one in found if one is not None}.values())


def classes(workload: JsonObject, situation: "Situation") -> list[DataClassFact]:
    """The classes of those namespaces, each once; every class there is, where nobody can list namespaces."""
    own, names = _whose(workload, situation)
    found = [situation.data_class] if own and not _exempt(own, situation) else []
    if _ALL in names:
        listed = situation.snapshot.list(Query("", "Namespace"))
        if isinstance(listed, Unknown):
            return list(situation.law.classes.values())
        found += [situation.law.data_class(_class_name(namespace)) for namespace in _classed(listed, situation)]
    else:
        found += [_class_of(name, situation) for name in names if not _exempt(name, situation)]
    return list({str(one["name"]): one for one in found}.values())


def _whose(workload: JsonObject, situation: "Situation") -> tuple[str, list[str]]:
    """The object's own namespace, and those that it is for, `*` for all."""
    own = situation.request.namespace
    names: list[str] = [name for name in workload["namespaces"] if name != own]
    if any(mark in name for name in names for mark in _PATTERN) or not (own or names):
        names = [_ALL]
    return own, names


def _class_of(name: str, situation: "Situation") -> DataClassFact:
    namespace = fetch(situation.snapshot, Ref("", "Namespace", "", name))
    if namespace is None:  # whoever makes it says then which
        return undefined_class(f"of namespace {name}, which does not exist")
    return situation.law.data_class(_class_name(namespace))


def _class_name(namespace: Json) -> str:
    return str(labels_of(namespace).get(CLASS_LABEL) or "")


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
    return (_bound(namespace, situation) for namespace in _classed(listed, situation))


def _classed(listed: Iterable[Json], situation: "Situation") -> Iterator[Json]:
    """Those whose class is known, the cluster's own machinery apart."""
    for namespace in listed:
        name = (namespace.get("metadata") or {}).get("name") or ""
        if (_class_name(namespace) or situation.law.default_class) and not _exempt(name, situation):
            yield namespace


def _bound(namespace: Json, situation: "Situation") -> JurisdictionFact | None:
    """None where the namespace's class asks for none. A namespace that doesn't exist has no labels."""
    labels = labels_of(namespace)
    data_class = situation.law.data_class(_class_name(namespace))
    if not (data_class["residency"] or data_class["egress"]):
        return None
    return situation.law.jurisdiction(str(labels.get(JURISDICTION_LABEL) or ""), situation.today)


def _exempt(name: str, situation: "Situation") -> bool:
    return name in MACHINERY or name in situation.law.exempt
