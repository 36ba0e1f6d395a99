"""What a law may say and hardly means: places that nobody knows, ways out that are over, sites no node can be at.

Nothing here is an error. A law may be shared by clusters that know different sites, and a misspelt place admits
nothing; but whoever wrote it should hear of it before a workload does. Pure; what is wrong for certain is refused
where rules are read.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from difflib import get_close_matches

from policies.facts.classification import CLASS_LABEL, JURISDICTION_LABEL
from policies.facts.law import Law
from policies.geography import Geography
from policies.geography.sites import Site
from policies.json import Json, JsonObject
from policies.kinds import Problem
from policies.kinds.reading import Located
from policies.request import labels_of

# What the built-in policies ask transfers for.
WHAT = ("access", "backups", "data", "identity", "images", "inference", "models", "telemetry", "tools", "workloads")
_OURS = "bailiwick.dev/"
_SAYING = (CLASS_LABEL, JURISDICTION_LABEL, "bailiwick.dev/infrastructure")
SOON = 30  # days before its end from which a transfer is spoken of

Step = str | int
Told = tuple[tuple[Step, ...], str, str]  # a path, what is odd there, what to do
Places = Mapping[tuple[str, str, str], Located]


def misgivings(law: Law, places: Places, today: date) -> Iterator[Problem]:
    """In the order of jurisdictions, then the ClusterProfile. `places` says where rules are written."""
    for name, spec in law.rulebook.specs("Jurisdiction"):
        told = (*_places(spec, law.geography), *_kinds_of_data(spec, law), *_ends(name, law, today))
        yield from _problems("Jurisdiction", name, places, told)
    for name, spec in law.rulebook.specs("ClusterProfile"):
        yield from _problems("ClusterProfile", name, places, (*_twice(spec), *_unprovable(spec)))


def misbound(law: Law, namespaces: Iterable[Located]) -> Iterator[Problem]:
    """Labels of namespaces that bind them to nothing: a class or a law that isn't defined, a key that says nothing."""
    for found in namespaces:
        labels = _labels(found.value)
        for label, defined in ((CLASS_LABEL, law.classes), (JURISDICTION_LABEL, law.rules)):
            name = labels.get(label)
            if name and name not in defined:
                yield _label(found, label, f"`{name}` is not defined", get_close_matches(name, defined, 1))
        for key in labels:
            if key.startswith(_OURS) and key not in _SAYING:
                yield _label(found, key, "a label that says nothing", get_close_matches(key, _SAYING, 1))


def _labels(namespace: Json) -> Mapping[str, str]:
    return {key: said for key, said in labels_of(namespace).items() if isinstance(said, str)}


def _label(found: Located, label: str, message: str, near: list[str]) -> Problem:
    name = found.value["metadata"].get("name")
    hint = f"did you mean `{near[0]}`?" if near else "define it in the rules, or correct the label"
    line = found.position(("metadata", "labels", label))
    return Problem(found.source or f"Namespace `{name}`", line, f"metadata.labels[{label}]", message, hint)


def _problems(kind: str, name: str, places: Places, told: tuple[Told, ...]) -> Iterator[Problem]:
    written = places.get((kind, "", name))
    source = written.source if written is not None else f"{kind} `{name}`"
    for path, message, hint in told:
        yield Problem(source, written.position(path) if written is not None else 0, _dotted(path), message, hint)


def _dotted(path: tuple[Step, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _places(spec: JsonObject, geography: Geography) -> Iterator[Told]:
    named = [(("spec", "locatedIn", "places"), (spec.get("locatedIn") or {}).get("places"))]
    for index, transfer in enumerate(spec.get("transfers") or ()):
        to = transfer.get("to") or {}
        named.append((("spec", "transfers", index, "to", "places"), to.get("places")))  # type: ignore[arg-type]
    for path, codes in named:
        for at, code in enumerate(codes or ()):
            if geography.by_code(code) is None and (told := _stranger(code, geography)):
                yield (*path, at), *told


def _stranger(code: str, geography: Geography) -> tuple[str, str] | None:
    """Why there is no such place. None for what may be a site that only another cluster's profile declares."""
    regions = geography.regions
    provider, dot, region = code.partition(".")
    if not dot:
        same = sorted(place.code for place in regions.places.values() if place.region == code and not place.zone)
        if same:
            return (
                f"`{code}` is the name of a region, not of a place",
                f"write {' or '.join(f'`{one}`' for one in same)}",
            )
        sites = [site.place.code for site in geography.sites]
        near = [one for one in get_close_matches(code, sites, 1) if _letters(one) != _letters(code)]
        return (f"no site `{code}` in the ClusterProfile", f"did you mean `{near[0]}`?") if near else None
    if provider not in regions.providers:
        near = get_close_matches(provider, regions.providers, 1)
        return f"no provider `{provider}`", f"did you mean `{near[0]}`?" if near else "`bailiwick regions` lists them"
    near = get_close_matches(region, {one.region for one in regions.places.values() if one.provider == provider})
    meant = f"did you mean {' or '.join(f'`{provider}.{one}`' for one in sorted(near))}? " if near else ""
    return f"no region `{region}` of `{provider}` is known", f"{meant}`bailiwick regions {provider}` lists them"


def _letters(name: str) -> str:
    """`dc1` and `dc2` are two sites, and no mistake for each other."""
    return "".join(filter(str.isalpha, name))


def _kinds_of_data(spec: JsonObject, law: Law) -> Iterator[Told]:
    if law.catalogue is not None:
        return  # a deployer's own rows may send whatever they call it
    for index, transfer in enumerate(spec.get("transfers") or ()):
        for at, what in enumerate(transfer.get("what") or ()):
            if what not in (*WHAT, "*") and not _asked_for(what, law):
                near = get_close_matches(what, WHAT, 1)
                meant = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(WHAT)}"
                yield ("spec", "transfers", index, "what", at), f"no policy asks for a transfer of `{what}`", meant


def _asked_for(what: str, law: Law) -> bool:
    quoted = (f"'{what}'", f'"{what}"')
    return any(each in str(spec) for _, spec in law.rulebook.specs("SovereigntyPolicy") for each in quoted)


def _ends(name: str, law: Law, today: date) -> Iterator[Told]:
    for index, transfer in enumerate(law.rules[name].transfers):
        if transfer.last_day is None:
            continue
        left = (transfer.last_day - today).days
        when = f"lapsed after {transfer.last_day}" if left < 0 else f"ends on {transfer.last_day}, in {left} days"
        if left <= SOON:
            hint = "renew it, or take it out: `bailiwick transfers` lists what relies on it"
            yield ("spec", "transfers", index, "expires"), f"transfer `{transfer.name}` {when}", hint


def _twice(spec: JsonObject) -> Iterator[Told]:
    first: dict[str, str] = {}
    for index, site in enumerate(spec.get("sites") or ()):
        for at, serial in enumerate((site.get("match") or {}).get("serials") or ()):
            other = first.setdefault(serial.lower(), site["name"])
            if other != site["name"]:
                path = ("spec", "sites", index, "match", "serials", at)
                yield (
                    path,
                    f"`{serial}` is a machine of site `{other}` too",
                    "a machine is at one site: keep one of them",
                )


def _unprovable(spec: JsonObject) -> Iterator[Told]:
    for index, site in enumerate(spec.get("sites") or ()):
        if site.get("match") and not Site.of(site).provable:
            labels = ", ".join(f"`{key}`" for key in site["match"].get("labels") or ())
            message = f"no node is ever at `{site['name']}`: a kubelet may set {labels or 'nothing of this'} by itself"
            hint = "match `serials`, `providerIDs`, `nodeNames`, or a label below `node-restriction.kubernetes.io`"
            yield ("spec", "sites", index, "match"), message, hint
