"""Whose law an object is under: its own namespace's, that of the namespaces that it is for, or that of all of them.

An object outside any namespace has no class of its own: labels that its author gives it would be its author's choice.
Where it says for whom it is (a volume by its claim, a backup by its namespaces), theirs counts; where it moves data and
doesn't say whose, everybody's does, all together. ADR 28 argues it.
"""

from collections.abc import Iterable, Iterator

from policies.facts.classification import (
    CLASS_LABEL,
    JURISDICTION_LABEL,
    DataClassFact,
    JurisdictionFact,
    undefined_class,
)
from policies.facts.law import MACHINERY
from policies.facts.surroundings import Surroundings
from policies.facts.unknown import fetch
from policies.json import Json, JsonObject
from policies.request import labels_of
from policies.snapshot import Query, Ref, Unknown

_ALL = "*"
_PATTERN = "*?[{"  # a pattern may mean any namespace


def governing(workload: JsonObject, around: Surroundings) -> list[JurisdictionFact]:
    """The jurisdictions that bind what the object holds or moves, each once; none where no class asks for one."""
    own, names = _whose(workload, around)
    found = [_bound(around.namespace_object, around)] if own and not _exempt(own, around) else []
    found += _of_all(around) if _ALL in names else (law_of(name, around) for name in names)
    return list({one["name"]: one for one in found if one is not None}.values())


def classes(workload: JsonObject, around: Surroundings) -> list[DataClassFact]:
    """The classes of those namespaces, each once; every class there is, where nobody can list namespaces."""
    own, names = _whose(workload, around)
    found = [around.data_class] if own and not _exempt(own, around) else []
    if _ALL in names:
        listed = around.snapshot.list(Query("", "Namespace"))
        if isinstance(listed, Unknown):
            return list(around.law.classes.values())
        found += [around.law.data_class(_class_name(namespace)) for namespace in _classed(listed, around)]
    else:
        found += [_class_of(name, around) for name in names if not _exempt(name, around)]
    return list({str(one["name"]): one for one in found}.values())


def _whose(workload: JsonObject, around: Surroundings) -> tuple[str, list[str]]:
    """The object's own namespace, and those that it is for, `*` for all."""
    own = around.request.namespace
    names: list[str] = [name for name in workload["namespaces"] if name != own]
    if any(mark in name for name in names for mark in _PATTERN) or not (own or names):
        names = [_ALL]
    return own, names


def _class_of(name: str, around: Surroundings) -> DataClassFact:
    namespace = fetch(around.snapshot, Ref("", "Namespace", "", name))
    if namespace is None:  # whoever makes it says then which
        return undefined_class(f"of namespace {name}, which does not exist")
    return around.law.data_class(_class_name(namespace))


def _class_name(namespace: Json) -> str:
    return str(labels_of(namespace).get(CLASS_LABEL) or "")


def law_of(name: str, around: Surroundings) -> JurisdictionFact | None:
    """The jurisdiction that binds what is in a namespace; None where its class asks for none."""
    if _exempt(name, around):
        return None
    namespace = fetch(around.snapshot, Ref("", "Namespace", "", name))
    if namespace is None:  # whoever makes it says then whose it is
        return JurisdictionFact(f"namespace {name}, which does not exist", None, around.today)
    return _bound(namespace, around)


def _of_all(around: Surroundings) -> Iterable[JurisdictionFact | None]:
    """Of every namespace whose class is known; of every jurisdiction there is, where nobody can list namespaces.

    Nothing is ever admitted to a namespace that names no class, where there is no default: it holds nothing to keep.
    """
    listed = around.snapshot.list(Query("", "Namespace"))
    if isinstance(listed, Unknown):
        return [JurisdictionFact(name, rule, around.today) for name, rule in sorted(around.law.rules.items())]
    return list(_of_each(listed, around))


def _of_each(listed: Iterable[Json], around: Surroundings) -> Iterator[JurisdictionFact | None]:
    return (_bound(namespace, around) for namespace in _classed(listed, around))


def _classed(listed: Iterable[Json], around: Surroundings) -> Iterator[Json]:
    """Those whose class is known, the cluster's own machinery apart."""
    for namespace in listed:
        name = (namespace.get("metadata") or {}).get("name") or ""
        if (_class_name(namespace) or around.law.default_class) and not _exempt(name, around):
            yield namespace


def _bound(namespace: Json, around: Surroundings) -> JurisdictionFact | None:
    """None where the namespace's class asks for none. A namespace that doesn't exist has no labels."""
    labels = labels_of(namespace)
    data_class = around.law.data_class(_class_name(namespace))
    if not (data_class["residency"] or data_class["egress"]):
        return None
    return around.law.jurisdiction(str(labels.get(JURISDICTION_LABEL) or ""), around.today)


def _exempt(name: str, around: Surroundings) -> bool:
    return name in MACHINERY or name in around.law.exempt
