"""What a command line was given, put together: rules, snapshot and documents to judge. Reads through `store`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from policies.engine import RuleEngine
from policies.json import JsonObject
from policies.kinds import Kind, KindInvalid, Problem, parse
from policies.loading import engine_for, rulebook_of
from policies.manifests import Document, Unreadable
from policies.packs import builtin
from policies.reviews import ReviewMalformed, is_review, request_of
from policies.rulebook import RulesInvalid
from policies.snapshot import MemorySnapshot
from policies.store import Identity, Loaded, load_kinds, load_openapi

if TYPE_CHECKING:
    from policies.geography import Regions
    from policies.typecheck import Doubt
    from policies.workloads import Catalogue

_OURS = "SovereigntyPolicy"
_FOREIGN = ("admissionregistration.k8s.io", "policies.kyverno.io")


@dataclass(frozen=True, slots=True)
class Given:
    """Everything a check needs."""

    engine: RuleEngine
    snapshot: MemorySnapshot
    documents: tuple[Document, ...]
    unreadable: tuple[Unreadable, ...]
    doubts: "tuple[Doubt, ...]" = ()  # what is probably wrong with the policies
    nothing: bool = False  # there was nothing at all to read: more likely a mistake than a wish
    outweighed: tuple[Problem, ...] = ()  # rules among the documents that don't count, for others are in force
    places: Mapping[Identity, Document] = field(default_factory=dict)  # where the rules in force are written
    namespaces: tuple[Document, ...] = ()  # those of the cluster, and among the documents


def gather(
    paths: Sequence[str],
    rules: Sequence[str],
    cluster: Sequence[str],
    version: str,
    packs: bool = True,
    openapi: Sequence[str] = (),
    regions: str | None = None,
    catalogue: str | None = None,
) -> Given:
    """Rules and cluster objects among the documents count as such, and are judged all the same.

    What is said of the cluster outweighs what the documents say of it: nobody votes a namespace out of its class. Nor
    does anybody bring a law of their own: where rules are given, they and the built-in ones outweigh those of the same
    kind and name among the documents.

    Raises RulesInvalid with every problem of every rule, and OpenapiUnreadable.
    """
    judged, ruled, held = load_kinds(paths), load_rules(rules, regions, catalogue), load_kinds(cluster)
    if rules and not (ruled.kinds or ruled.problems):
        raise RulesInvalid(
            [f"{', '.join(rules)}: no rules there (a path of `--rules` holds a Jurisdiction, for example)"]
        )
    added, outweighed = _added(judged, (ruled, held), builtin() if packs else ())
    engine = engine_of((ruled, held, added), version, packs=packs)
    snapshot = MemorySnapshot.of(
        found.value for loaded in (judged, ruled, held) for found in loaded.others if _is_object(found)
    ).written_down()
    malformed = tuple(found for document in judged.others if (found := _malformed(document)))
    unreadable = (*(found for loaded in (held, judged) for found in loaded.unreadable), *malformed)
    doubts = doubts_of((judged, ruled, held), load_openapi(openapi))
    nothing = not (judged.others or judged.kinds or judged.unreadable)
    documents = tuple(document for document in judged.others if not _malformed(document))
    places = {identity: place for loaded in (ruled, held, added) for identity, place in loaded.places.items()}
    namespaces = tuple(
        found for loaded in (held, judged) for found in loaded.others if found.value.get("kind") == "Namespace"
    )
    return Given(engine, snapshot, documents, unreadable, doubts, nothing, outweighed, places, namespaces)


def _added(judged: Loaded, given: Sequence[Loaded], packs: Iterable[Kind]) -> tuple[Loaded, tuple[Problem, ...]]:
    """What was judged without the rules that are in force already, and those of them that say something else.

    Where no rules are given, those among the documents are the rules.
    """
    if not any(loaded.kinds for loaded in given):
        return judged, ()
    force = {_same(kind): (kind, "the built-in one") for kind in packs}
    for loaded in given:
        for kind in loaded.kinds:
            place = loaded.places[_identity(kind)]
            force[_same(kind)] = kind, f"the one at {place.source}:{place.line}"
    kept = tuple(kind for kind in judged.kinds if _same(kind) not in force)
    told = tuple(
        _outweighed(judged.places[_identity(kind)], kind, force[_same(kind)][1])
        for kind in judged.kinds
        if _same(kind) in force and _says(force[_same(kind)][0]) != _says(kind)
    )
    return replace(judged, kinds=kept), told


def _identity(kind: Kind) -> Identity:
    return kind.kind, kind.metadata.namespace or "", kind.metadata.name


def _same(kind: Kind) -> Identity:
    """What one kind can have once: a namespace that a cluster-scoped object claims to be in makes it no other one."""
    return kind.kind, (kind.metadata.namespace or "") if kind.registration.namespaced else "", kind.metadata.name


def _says(kind: Kind) -> object:
    return kind.model_dump(exclude={"metadata"})


def _outweighed(place: Document, kind: Kind, by: str) -> Problem:
    message = f"{kind.kind} `{kind.metadata.name}` doesn't count here, {by} does"
    return Problem(place.source, place.line, "", message, "to judge by this one, give it with --rules")


def doubts_of(layers: Sequence[Loaded], documents: Sequence[JsonObject]) -> "tuple[Doubt, ...]":
    """The type checks of all policies: those of ours that were read, native ones, and Kyverno's.

    `documents` are OpenAPI v3, of kinds that aren't built in.
    """
    policies = [place for loaded in layers for place in loaded.places.values() if place.value["kind"] == _OURS]
    policies += [found for loaded in layers for found in loaded.others if _group(found).endswith(_FOREIGN)]
    if not policies:
        return ()
    from policies.typecheck import Schemas, doubts

    definitions = [found.value for loaded in layers for found in loaded.others if _is_definition(found)]
    return tuple(doubts(policies, Schemas.of(definitions, documents)))


def engine_of(layers: Sequence[Loaded], version: str, *, packs: bool = True) -> RuleEngine:
    """An engine of the built-in packs and what was loaded. Raises RulesInvalid."""
    refuse(layers)
    places = {identity: place for loaded in layers for identity, place in loaded.places.items()}
    rulebook = rulebook_of(builtin() if packs else (), *(loaded.kinds for loaded in layers))
    regions = next((loaded.regions for loaded in layers if loaded.regions is not None), None)
    catalogue = next((loaded.catalogue for loaded in layers if loaded.catalogue is not None), None)
    return engine_for(rulebook, version, regions, places=places, catalogue=catalogue)


def refuse(layers: Iterable[Loaded]) -> None:
    """Raises RulesInvalid with every problem of what was loaded, if there is one."""
    problems = [_told(problem) for loaded in layers for problem in loaded.problems]
    if problems:
        raise RulesInvalid(problems)


def load_rules(paths: Sequence[str], regions: str | None = None, catalogue: str | None = None) -> Loaded:
    """As `load_kinds`, where nothing may be left out: what can't be read can't be enforced. Raises RulesInvalid.

    `regions` and `catalogue` name files with a deployer's own regions, and kinds of workloads.
    """
    loaded = load_kinds(paths)
    if loaded.unreadable:
        raise RulesInvalid(f"{found} ({found.hint})" if found.hint else str(found) for found in loaded.unreadable)
    return with_own(loaded, regions, catalogue)


def with_own(loaded: Loaded, regions: str | None, catalogue: str | None) -> Loaded:
    """The same with what a deployer's own files hold now. Raises RulesInvalid."""
    return replace(
        loaded,
        regions=None if regions is None else read_regions(regions),
        catalogue=None if catalogue is None else read_catalogue(catalogue),
    )


def read_regions(file: str) -> "Regions":
    """The built-in regions with a deployer's file laid over. Raises RulesInvalid with every fault, file and line."""
    from policies.geography.compile import load_regions
    from policies.geography.reading import RegionsInvalid

    try:
        return load_regions(Path(file))
    except RegionsInvalid as invalid:
        raise RulesInvalid(str(invalid).splitlines()) from invalid


def read_catalogue(file: str) -> "Catalogue":
    """The built-in kinds with a deployer's file over them. Raises RulesInvalid with every fault, file and line."""
    from policies.geography.compile import reading_failed
    from policies.workloads.catalogue.compile import CatalogueMalformed, overridden
    from policies.workloads.catalogue.kinds import builtin as known

    try:
        return overridden(known(), Path(file).read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError) as fault:
        raise RulesInvalid([f"{file}: cannot be read: {reading_failed(fault)}"]) from fault
    except CatalogueMalformed as malformed:
        raise RulesInvalid(str(malformed).splitlines()) from malformed


def parsed(objects: Iterable[JsonObject]) -> Loaded:
    """Objects of our kinds as an API server gave them."""
    kinds: list[Kind] = []
    problems: list[Problem] = []
    for found in objects:
        try:
            kinds.append(parse(found))
        except KindInvalid as invalid:
            problems.extend(
                replace(problem, source=f"{found['kind']} `{invalid.name}`") for problem in invalid.problems
            )
    return Loaded(tuple(kinds), (), tuple(problems), ())


def objects_of(paths: Sequence[str]) -> Iterator[JsonObject]:
    """The objects in files and folders that a snapshot can hold. Raises RulesInvalid where something can't be read."""
    return (found.value for found in load_rules(paths).others if _is_object(found))


def _told(problem: Problem) -> str:
    return f"{problem} ({problem.hint})" if problem.hint else str(problem)


def _malformed(found: Document) -> Unreadable | None:
    """Why an AdmissionReview can't be judged; None for one that can, and for every other object."""
    if not is_review(found.value):
        return None
    try:
        request_of(found.value)
    except ReviewMalformed as error:
        hint = "give the whole AdmissionReview as the API server sent it"
        return Unreadable(found.source, found.line, 0, error.message, hint)
    return None


def _group(found: Document) -> str:
    return str(found.value.get("apiVersion")).partition("/")[0]


def _is_definition(found: Document) -> bool:
    return _group(found) == "apiextensions.k8s.io" and found.value.get("kind") == "CustomResourceDefinition"


def _is_object(found: Document) -> bool:
    """Only what has a name can be looked up."""
    metadata = found.value.get("metadata")
    named = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    return named and isinstance(found.value.get("apiVersion"), str) and isinstance(found.value.get("kind"), str)
