"""Explanations as text for people, or as JSON and YAML for programs. Nothing here decides anything."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from audit.verbs.written import written, yaml_text
from policies.explaining import Bound, Explanation, Found, PlaceRow, PodExplained, in_words
from policies.manifests import Unreadable
from policies.verbs.columns import columns
from policies.verbs.lines import lines_of
from policies.verbs.operators import against, operated
from policies.verbs.rendering import resource, told
from policies.verbs.terminal import folded, visible, width

Values = Mapping[str, Any]

_DETAIL: Mapping[str, Callable[[Values], str]] = {
    "images": lambda one: one["reference"] + _mark(one, "pinned"),
    "models": lambda one: (
        f"{one['reference']}{' at ' + one['revision'] if one['revision'] else ''}{_mark(one, 'pinned')}"
    ),
    "devices": lambda one: (
        f"{one['count']} x ".removeprefix("0 x ")
        + f"{one['resource'] or one['claim'] or one['mechanism']}: {one['level']}"
    ),
    "destinations": lambda one: f"{one['what'] or one['kind']} to {_target(one)}",
    "volumes": lambda one: one["kind"] + (f" of class {one['storageClass']}" if one["storageClass"] else ""),
    "keys": lambda one: f"{one['reference']} ({one['purpose']})",
    "placement": lambda one: " ".join(
        filter(None, (one["key"] or one["kind"], one["operator"], ", ".join(one["values"])))
    ),
}
_CLASS: Mapping[str, Callable[[Any], str]] = {  # what a class asks for, in words; what it doesn't ask for isn't shown
    "residency": lambda asked: "residency" if asked else "",
    "device": lambda asked: f"GPUs {asked}" if asked != "unknown" else "",
    "runtime": lambda asked: f"runtime {asked}" if asked != "container" else "",
    "pinned": lambda asked: "pinned models and images" if asked else "",
    "regionKey": lambda asked: "a key of the region" if asked else "",
    "assurance": lambda asked: f"keys in {asked}" if asked else "",
    "egress": lambda asked: "destinations inside" if asked else "",
}


def render(found: Sequence[Explanation], unreadable: Sequence[Unreadable], output: str) -> str:
    """The whole report, ending in a newline. `output` is table, json or yaml."""
    if output != "table":
        report = {"objects": [_entry(one) for one in found], "unreadable": [_unreadable(one) for one in unreadable]}
        return written(report, output)
    lines = [line for one in found for line in (*_object(one), "")]
    for one in unreadable:
        lines += [f"unreadable {one}", *([f"  fix: {one.hint}"] if one.hint else [])]
    if not lines:
        lines = ["nothing to explain: these are rules (`bailiwick check` says whether they are valid)"]
    return "\n".join(folded(map(visible, lines), width())).rstrip("\n") + "\n"


def _object(one: Explanation) -> Iterator[str]:
    metadata = one.document.value.get("metadata")
    own = one.name or str((metadata if isinstance(metadata, dict) else {}).get("generateName") or "")
    name = f"{one.namespace}/{own}" if one.namespace else own
    review = one.case.review
    what = f"{review.operation} {resource(review)}" if review is not None else one.kind or "no kind"
    yield f"{what} {name}  {one.document.source}:{one.document.line}"
    yield f"  kind          {one.api_version} {one.kind}, {_RECOGNISED[one.recognised]}"
    yield from _bound(one.bound)
    if one.actor is not None:
        yield f"  actor         {one.actor['kind']}, {_whence(one.actor)}"
    yield f"  verdict       {one.case.outcome}"
    for message, fix in told(one.document, one.case.reasons, _place):
        yield f"    {message}"
        if fix:
            yield f"      fix: {fix}"
    for fact in dict.fromkeys(each.fact for each in one.found):
        yield f"  {fact}"
        yield from columns([_fact(each) for each in one.found if each.fact == fact], indent="    ")
    for pod in one.pods:
        yield from _pod(pod, one.bound)


def _place(path: str, lines: str) -> str:
    return f"{lines}, {path}: " if path else f"{lines}: "


_RECOGNISED = {
    "catalogued": "in the catalogue",
    "the API server's own": "the API server's own: makes no pods",
    "by its shape": "not in the catalogue: its pods were found by their shape",
    "not known": "not in the catalogue, and nothing in it looks like a pod",
}


def _whence(actor: Values) -> str:
    return f"from {actor['places']}" if not actor["unknown"] else f"from an unknown place: {actor['unknown']}"


def _bound(bound: Bound) -> Iterator[str]:
    if bound.exempt:
        yield "  class         none: an infrastructure namespace, whose workloads aren't judged"
        return
    if bound.unknown:
        yield f"  class         {bound.unknown}: name the file that holds it with --cluster"
        return
    if bound.governing and not bound.data_class:
        yield "  class         none of its own: it lies in no namespace"
        yield f"  under         {', '.join(bound.governing)}: whose data it holds, moves or could hold"
        return
    asks = ", ".join(filter(None, (words(bound.requires.get(key)) for key, words in _CLASS.items())))
    assumed = "" if bound.class_defined else " (not defined: the strictest is assumed)"
    yield f"  class         {bound.data_class or 'none'}{assumed}{': ' + asks if asks else ''}"
    if bound.governing:
        yield f"  under         {', '.join(bound.governing)}: whose data it holds, moves or could hold"
    undefined = " (not defined: nothing is inside)" if bound.jurisdiction and not bound.jurisdiction_defined else ""
    yield f"  jurisdiction  {bound.jurisdiction or 'none'}{undefined}"


def _fact(one: Found) -> list[str]:
    show = _DETAIL.get(one.fact)
    text = show(one.value) if show else _plain(one.value)
    return [f"line {one.line}", one.path, text + (f": {one.where}" if one.where else "")]


def _mark(one: Mapping[str, Any], key: str) -> str:
    return "" if one[key] else " (not pinned)"


def _target(one: Mapping[str, Any]) -> str:
    bucket = f"bucket {one['bucket']}{' in ' + one['region'] if one['region'] else ''}" if one["bucket"] else ""
    cluster = f"cluster {one['cluster']}" if one["cluster"] else ""
    return bucket or str(one["host"]) or cluster or "somewhere that it doesn't say"


def _plain(value: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {said}" for key, said in value.items() if key != "path" and said not in ("", None, []))


def _pod(pod: PodExplained, bound: Bound) -> Iterator[str]:
    yield f"  pod {pod.path or 'itself'}, line {pod.line}"
    if pod.isolation or pod.runtime:
        runtime = f", runtime class {pod.runtime}" if pod.runtime else ""
        yield f"    isolation   {f'GPUs {pod.isolation}' if pod.isolation else 'no GPUs'}{runtime}"
    yield f"    could run   {in_words(pod.written)}"
    for each in pod.narrowings:
        says = "" if each.says == "allows" else f" {each.says}"  # what it allows is what it leaves
        yield f"      line {each.line}  {each.path}{says}: leaves {each.leaves}"
    for every in pod.uncounted:
        yield f"      line {every.line}  {every.path} doesn't count: {every.why}"
    for missing in pod.unresolved:
        yield f"      not known: {missing}: with --cluster it might keep the pod closer"
    yield from _correction(pod, refused=_refused(pod, bound))
    if pod.refusals:
        free = "" if bound.requires.get("residency") else "; the class doesn't ask for residency"
        yield f"    outside     {'; '.join(pod.refusals)}{free}"
    if pod.rows:
        yield from columns([_HEADS, *(_row(row, pod, bound) for row in pod.rows)], indent="    ", within=width())


def _refused(pod: PodExplained, bound: Bound) -> bool:
    """Is the pod refused for its place, whatever the webhook adds?"""
    return pod.corrected is None or bool(pod.refusals and bound.requires.get("residency"))


def _correction(pod: PodExplained, *, refused: bool) -> Iterator[str]:
    if refused or pod.corrected is None:
        yield "    corrected   not: it would be refused"
    elif pod.additions:
        whom = "here" if pod.planned or not pod.path else "to its pods, when they are made"
        yield f"    corrected   could run {in_words(pod.corrected)}; the webhook adds {whom}:"
        for each in pod.additions:
            yield f"      {each.path}"
            block = yaml_text([each.value], 100, leaves_in_a_line=True)
            yield from (f"        {line}" for line in block.splitlines())


_HEADS = ["PLACE", "COUNTRY", "OPERATED BY", "AS WRITTEN", "CORRECTED", "JURISDICTION"]


def _row(row: PlaceRow, pod: PodExplained, bound: Bound) -> list[str]:
    place = row.place
    country, operator = (place.country, operated(place)) if place else "??"
    after = "-" if _refused(pod, bound) else "yes" if row.corrected else "no"
    verdict = against(row.code, row.refusals) if row.refusals else f"in `{bound.jurisdiction}`"
    return [
        row.code,
        country,
        operator,
        "yes" if row.written else "no",
        after,
        verdict if bound.jurisdiction_defined and not bound.unknown else "-",
    ]


def _entry(one: Explanation) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for each in one.found:
        where = {"where": each.where} if each.where else {}
        found.setdefault(each.fact, []).append({**each.value, "line": each.line, **where})
    return {
        "source": one.document.source,
        "line": one.document.line,
        "apiVersion": one.api_version,
        "kind": one.kind,
        "namespace": one.namespace,
        "name": one.name,
        "recognised": one.recognised,
        "dataClass": one.bound.data_class,
        "requires": dict(one.bound.requires),
        "jurisdiction": one.bound.jurisdiction,
        "governing": list(one.bound.governing),
        "exempt": one.bound.exempt,
        "unknown": one.bound.unknown,
        **_asked(one),
        "outcome": str(one.case.outcome),
        "reasons": [_reason(one, reason) for reason in one.case.reasons],
        "patch": list(one.case.patch),
        **found,
        "pods": [_pod_entry(pod) for pod in one.pods],
    }


def _asked(one: Explanation) -> dict[str, Any]:
    """What only a review has."""
    review, actor = one.case.review, one.actor
    if review is None or actor is None:
        return {}
    shown = {"kind": actor["kind"], "places": list(actor["places"].tokens), "unknown": actor["unknown"]}
    return {"operation": str(review.operation), "resource": resource(review), "actor": shown}


def _reason(one: Explanation, reason: Any) -> dict[str, Any]:
    line = lines_of(one.document, reason)[0]
    return {"code": reason.code, "message": reason.message, "path": reason.path, "line": line, "fix": reason.fix}


def _pod_entry(pod: PodExplained) -> dict[str, Any]:
    return {
        "path": pod.path,
        "line": pod.line,
        "planned": pod.planned,
        "isolation": pod.isolation,
        "runtime": pod.runtime,
        "places": list(pod.written.tokens),
        "placesInWords": in_words(pod.written),
        "correctedPlaces": None if pod.corrected is None else list(pod.corrected.tokens),
        "constraints": [
            {"path": each.path, "line": each.line, "says": each.says, "leaves": list(each.leaves.tokens)}
            for each in pod.narrowings
        ],
        "uncounted": [asdict(each) for each in pod.uncounted],
        "unresolved": list(pod.unresolved),
        "rows": [_row_entry(row) for row in pod.rows],
        "additions": [{"path": each.path, "value": each.value} for each in pod.additions],
        "refusals": list(pod.refusals),
    }


def _row_entry(row: PlaceRow) -> dict[str, Any]:
    return {
        "code": row.code,
        "country": row.place.country if row.place else "",
        "operator": row.place.operator if row.place else "",
        "operatorCountry": row.place.operator_country if row.place else "",
        "asWritten": row.written,
        "corrected": row.corrected,
        "refusals": list(row.refusals),
    }


def _unreadable(one: Unreadable) -> dict[str, Any]:
    return {"source": one.source, "line": one.line, "message": one.message, "hint": one.hint}
