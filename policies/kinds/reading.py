"""From a document to one of our kinds: shape first, then what must hold between fields; all problems at once.

Reads values only. Where documents come from, and what else lies beside them, is left to `policies.store`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from policies.kinds.dataclass import DataClass
from policies.kinds.jurisdiction import Jurisdiction
from policies.kinds.part import Part, Raw, children_of, unique_of
from policies.kinds.policy import SovereigntyPolicy
from policies.kinds.problems import Finding, KindInvalid, Path, Problem, close, field_path, findings_of, in_order, shown
from policies.kinds.profile import ClusterProfile
from policies.kinds.provenance import ModelProvenance
from policies.kinds.resource import API_VERSION, GROUP
from policies.kinds.trust import TrustPolicy
from policies.kinds.waiver import Waiver

Kind = SovereigntyPolicy | Jurisdiction | DataClass | TrustPolicy | ClusterProfile | ModelProvenance | Waiver

_LONGEST_LABEL = 63

KINDS: Mapping[str, type[Kind]] = {
    "SovereigntyPolicy": SovereigntyPolicy,
    "Jurisdiction": Jurisdiction,
    "DataClass": DataClass,
    "TrustPolicy": TrustPolicy,
    "ClusterProfile": ClusterProfile,
    "ModelProvenance": ModelProvenance,
    "Waiver": Waiver,
}


class Located(Protocol):
    """A value that knows where it was written."""

    @property
    def source(self) -> str: ...

    @property
    def value(self) -> Mapping[str, Any]: ...

    def position(self, path: Path, /) -> int:
        """The 1-based line of the value at this path, or of what is nearest above it; 0 when there are no lines."""
        ...


class _Unplaced:
    """A bare value: it has no lines."""

    source = ""

    def __init__(self, value: Raw) -> None:
        self.value = value

    def position(self, _path: Path) -> int:
        return 0


def is_ours(value: Any) -> bool:
    """Whether this object is meant to be of one of our kinds, even when its apiVersion or kind is slightly misspelt."""
    if not isinstance(value, Mapping):
        return False
    version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(version, str):
        return False
    group = version.rpartition("/")[0]
    return group == GROUP or (isinstance(kind, str) and kind in KINDS and bool(close(group, [GROUP])))


def parse(document: Located | Raw) -> Kind:
    """The object that a document holds. Raises KindInvalid with everything that is wrong with it."""
    located = _Unplaced(document) if isinstance(document, Mapping) else document
    value = located.value
    try:
        found, findings = _read(_model_of(value), value)
    except _NotOurs as unfit:
        found, findings = None, [unfit.finding]
    if found is not None and not findings:
        return found
    raise KindInvalid(_name_of(value), in_order(_placed(located, findings)))


class _NotOurs(ValueError):
    def __init__(self, path: Path, message: str, hint: str) -> None:
        self.finding = Finding(path, message, hint)


def _model_of(value: Any) -> type[Kind]:
    if not isinstance(value, Mapping):
        raise _NotOurs((), f"expected an object, not {shown(value)}", "")
    kind, version = value.get("kind"), value.get("apiVersion")
    if version != API_VERSION:
        said = "missing" if version is None else f"expected `{API_VERSION}`, not {shown(version)}"
        raise _NotOurs(("apiVersion",), said, f"write `apiVersion: {API_VERSION}`")
    if not isinstance(kind, str) or kind not in KINDS:
        meant = close(str(kind), list(KINDS))
        hint = f"did you mean `{meant}`?" if meant else f"known are {', '.join(f'`{name}`' for name in KINDS)}"
        raise _NotOurs(("kind",), "missing" if kind is None else f"no kind of {API_VERSION}: {shown(kind)}", hint)
    return KINDS[kind]


def _read(model: type[Kind], value: Raw) -> tuple[Kind | None, list[Finding]]:
    """The object, when its shape is right, and all that is wrong."""
    try:
        found, findings = model.model_validate(value), []
    except ValidationError as invalid:
        found, findings = None, findings_of(model, invalid)
    broken = {item.path for item in findings}
    findings += _unmet(model, value, (), broken)
    if model.registration.label_safe and len(_name_of(value)) > _LONGEST_LABEL:
        findings.append(Finding(("metadata", "name"), "expected at most 63 characters", "the name stands in labels"))
    return found, findings


def _unmet(model: type[Part], raw: Any, path: Path, broken: set[Path]) -> Iterator[Finding]:
    """The rules that don't hold in this part and below; those that read something of a wrong shape are left out."""
    if not isinstance(raw, Mapping):
        return
    for rule in model.rules:
        if not any(_touches(broken, (*path, field)) for field in rule.fields) and not rule.holds(raw):
            yield Finding((*path, rule.fields[0]), f"expected {rule.expected}", rule.hint)
    for field, key in unique_of(model).items():
        yield from _doubles(raw.get(field), key, (*path, field))
    for field, (many, part) in children_of(model).items():
        below = raw.get(field)
        for step, item in enumerate(below) if many and isinstance(below, list) else ((None, below),):
            yield from _unmet(part, item, (*path, field) if step is None else (*path, field, step), broken)


def _touches(broken: set[Path], path: Path) -> bool:
    return any(one[: len(path)] == path or path[: len(one)] == one for one in broken)


def _doubles(items: Any, key: str, path: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, item in enumerate(items if isinstance(items, Sequence) and not isinstance(items, str) else ()):
        value = item.get(key) if key and isinstance(item, Mapping) else item
        if not isinstance(value, str):
            continue
        if value in seen:
            where = (*path, index, key) if key else (*path, index)
            yield Finding(where, f"expected each {f'`{key}`' if key else 'item'} once: {shown(value)} is there already")
        seen.add(value)


def _placed(located: Located, findings: Sequence[Finding]) -> Iterator[Problem]:
    for found in findings:
        yield Problem(located.source, located.position(found.path), field_path(found.path), found.message, found.hint)


def _name_of(value: Any) -> str:
    metadata = value.get("metadata") if isinstance(value, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else ""
