"""Looks for what would keep the webhook from working: each finding says what is wrong and what to do next.

Reads only; a cluster is asked no more than `serve` asks it. Every check is a function that yields findings, so that one
that fails doesn't hide the others.
"""

import os
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from policies.engine import RuleEngine
from policies.gathering import doubts_of
from policies.kinds import Problem
from policies.kinds.reading import Located
from policies.native.reading import Bare
from policies.rulebook import RulesInvalid
from policies.store import Loaded
from policies.typecheck import Doubt, Schemas, doubts, group_versions
from policies.version import is_compiled
from webhook.cluster.apiserver import ApiServer, ClusterUnavailable
from webhook.cluster.resources import FACTS, RULES, Served

SLOW_SYNC = 0.05  # seconds for one small fdatasync; every answer waits for one
LOW_DISK = 1 << 30  # bytes free; the log stops taking records before its disk is full
EARLY = timedelta(days=14)  # before a certificate ends


class Health(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `hint` says what to do where it isn't good."""

    subject: str
    health: Health
    detail: str
    hint: str = ""


Json = Mapping[str, Any]
Look = Callable[[], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at."""

    subject: str
    look: Look


def examine(checks: Sequence[Check]) -> Iterator[Finding]:
    """All findings of all checks. A check that fails itself is a finding."""
    for check in checks:
        try:
            yield from check.look()
        except Exception as fault:  # noqa: BLE001  # a doctor that collapses helps nobody
            hint = str(getattr(fault, "hint", "report this as a fault of ours"))
            yield Finding(check.subject, Health.BROKEN, str(fault) or type(fault).__name__, hint)


def state_directory(directory: Path) -> Iterator[Finding]:
    """Can the log be written durably and quickly here, and is there room?"""
    there = next(one for one in (directory, *directory.absolute().parents) if one.is_dir())  # `serve` makes the rest
    with tempfile.NamedTemporaryFile(dir=there) as probe:
        probe.write(b"\0" * 1024)
        probe.flush()
        started = time.monotonic()
        os.fdatasync(probe.fileno())
        took = time.monotonic() - started
    health = Health.WARNING if took > SLOW_SYNC else Health.GOOD
    yield Finding("sync", health, f"one fdatasync took {took * 1000:.1f} ms", "every answer waits for one: faster disk")
    status = os.statvfs(there)
    free = status.f_bavail * status.f_frsize
    health = Health.WARNING if free < LOW_DISK else Health.GOOD
    yield Finding("disk", health, f"{free >> 20} MiB free in {directory}", "grow the volume, or prune old log shards")


def certificate(path: Path, now: datetime) -> Iterator[Finding]:
    """Is the serving certificate readable, in force, and for how long?"""
    from cryptography import x509

    found = x509.load_pem_x509_certificates(path.read_bytes())[0]
    ends = found.not_valid_after_utc
    if not found.not_valid_before_utc <= now < ends:
        yield Finding("certificate", Health.BROKEN, f"not in force: ends {ends:%Y-%m-%d %H:%M}Z", "issue a new one")
        return
    health = Health.WARNING if ends - now < EARLY else Health.GOOD
    yield Finding("certificate", health, f"in force until {ends:%Y-%m-%d %H:%M}Z", "renew it; it is reloaded by itself")


def tls() -> Iterator[Finding]:
    """Can this Python speak TLS 1.3?"""
    health = Health.GOOD if ssl.HAS_TLSv1_3 else Health.BROKEN
    yield Finding("tls", health, ssl.OPENSSL_VERSION, "use a Python built with OpenSSL 1.1.1 or later")


def rules(compiled: Callable[[], RuleEngine]) -> Iterator[Finding]:
    """Do all rules compile, and do they say what residency needs? `compiled` puts them together, or raises."""
    engine = compiled()
    run = "machine code" if is_compiled() else "Python, at twice the cost: see `make wheel`"
    told = f"{engine.policies} policies compile, digest {engine.digest.hex()[:16]}; objects are read by {run}"
    yield Finding("rules", Health.GOOD, told)
    for kind, lacking, hint in _NEEDED:
        if not any(engine.law.rulebook.specs(kind)):
            yield Finding(kind, Health.WARNING, f"none defined: {lacking}", hint)
    geography = engine.law.geography
    if engine.law.rules and not (geography.declarations("actorGroups") or geography.declarations("actors")):
        detail = (
            "nobody is declared: nobody gets into workloads of classes with residency, by `kubectl exec` or otherwise"
        )
        yield Finding(
            "actors", Health.WARNING, detail, "declare in the ClusterProfile where users act from (`actorGroups`)"
        )


_NEEDED = (
    (
        "Jurisdiction",
        "classes that ask for residency refuse all of their pods",
        "define one and label namespaces with it",
    ),
    ("ClusterProfile", "no provider, site or key has a place", "declare the cluster's providers and regions in one"),
)


def law(judged: Callable[[], tuple[RuleEngine, Sequence[Problem]]]) -> Iterator[Finding]:
    """Does the law say what was probably not meant, and may anything run here under each jurisdiction?"""
    try:
        engine, told = judged()
    except RulesInvalid:
        return  # the finding about the rules says it all
    for problem in told:
        yield Finding("law", Health.WARNING, str(problem), problem.hint)
    declared = engine.law.geography.inhabited()
    for name, rule in sorted(engine.law.rules.items()) if declared else ():
        if not rule.codes():
            detail = f"`{name}` admits no place of this cluster: its workloads run nowhere here"
            hint = f"`bailiwick regions --rules ... --jurisdiction {name} --declared` says which axis is against each"
            yield Finding("jurisdiction", Health.WARNING, detail, hint)


def types(doubts: Callable[[], Sequence[Doubt]]) -> Iterator[Finding]:
    """Do policies fit the kinds that they are about?"""
    try:
        found = doubts()
    except RulesInvalid:
        return  # the finding about the rules says it all
    if not found:
        yield Finding("types", Health.GOOD, "policies fit the kinds that they are about")
    for doubt in found:
        yield Finding("types", Health.WARNING, str(doubt), doubt.hint)


def policy_types(loaded: Loaded, api: ApiServer | None) -> Sequence[Doubt]:
    """What is doubtful about the policies in files and, with a cluster, in it; its OpenAPI says what its kinds have."""
    stored = () if api is None else tuple(_stored(api))
    policies: list[Located] = [*loaded.places.values(), *stored]
    served = () if api is None else tuple(_published(api, [one.value for one in policies]))
    return (*doubts_of((loaded,), served), *doubts(stored, Schemas.of((), served)))


def _stored(api: ApiServer) -> Iterator[Bare]:
    (kind,) = (one for one in RULES if one.kind == "SovereigntyPolicy")
    head = {"apiVersion": f"{kind.group}/{kind.version}", "kind": kind.kind}
    try:
        items = api.get(kind.path()).get("items") or ()
    except ClusterUnavailable:
        return  # the CRDs aren't installed: another finding says so
    yield from (Bare({**head, **item}, "cluster") for item in items)


def _published(api: ApiServer, policies: Sequence[Json]) -> Iterator[Json]:
    named = {pair for policy in policies for pair in group_versions(policy)}
    served = api.get("/openapi/v3").get("paths") or {}
    for group, version in sorted(named):
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        if path in served:
            yield api.get(f"/openapi/v3/{path}")


def unreachable(error: ClusterUnavailable) -> Iterator[Finding]:
    """There is no way to a cluster at all; what needs none is looked at all the same."""
    hint = "name a kubeconfig that kubectl takes, for example ~/.kube/config"
    yield Finding("cluster", Health.BROKEN, str(error), hint)


def cluster(api: ApiServer) -> Iterator[Finding]:
    """Does the API server answer, in a version that we know?"""
    version = api.get("/version")
    yield Finding("api server", Health.GOOD, str(version.get("gitVersion")))
    for served in (*FACTS, *RULES):
        yield from _readable(api, served)


def _readable(api: ApiServer, served: Served) -> Iterator[Finding]:
    plural = served.plural
    try:
        api.get(served.path(), {"limit": "1"})
    except ClusterUnavailable as error:
        missing = error.status == 404
        if missing and not served.watched:
            return  # kinds of systems that aren't installed
        hint = "install the CRDs of the chart" if missing else f"grant get, list and watch on {plural}"
        yield Finding(f"read {plural}", Health.BROKEN, str(error), hint)


def registration(api: ApiServer, names: Sequence[str] = ("bailiwick",)) -> Iterator[Finding]:
    """Is the webhook registered, and does it fail closed?"""
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        items = api.get(f"/apis/admissionregistration.k8s.io/v1/{kind}").get("items") or ()
        ours = [one for one in items if one["metadata"]["name"] in names]
        if not ours:
            yield Finding(kind, Health.WARNING, "none of ours", "register the webhook; until then nothing is guarded")
        for found in ours:
            hooks = found.get("webhooks") or ()
            ignoring = [hook["name"] for hook in hooks if hook.get("failurePolicy") == "Ignore"]
            detail = f", open on failure: {', '.join(ignoring)}" if ignoring else ""
            yield Finding(kind, Health.GOOD, f"`{found['metadata']['name']}`{detail}")


def guards(api: ApiServer, wanted: Callable[[], Sequence[Json]]) -> Iterator[Finding]:
    """Does the API server itself keep who may change places and classes?"""
    from webhook.cluster.guards import differences

    found = differences(list(wanted()), api)
    for line in found:
        yield Finding(
            "guards", Health.WARNING, line, "`bailiwick guards` prints what should be there, for kubectl apply"
        )
    if not found:
        yield Finding("guards", Health.GOOD, "places and classes are kept by native policies, as declared")


def labeller(api: ApiServer, lease: str, now: datetime) -> Iterator[Finding]:
    """Does somebody keep the labels of nodes? `lease` is the path of the Lease; `now` is held against its own times."""
    hint = "run `bailiwick serve --label-nodes`, or `bailiwick nodes label --watch`"
    try:
        spec = api.get(lease).get("spec") or {}
    except ClusterUnavailable as error:
        if error.status != 404:
            raise
        spec = {}
    holder = spec.get("holderIdentity") or ""
    if not holder:
        yield Finding("labeller", Health.WARNING, "nobody labels the nodes", hint)
        return
    silent = (now - datetime.fromisoformat(spec["renewTime"])).total_seconds()
    if silent > 3 * spec["leaseDurationSeconds"]:
        yield Finding("labeller", Health.WARNING, f"`{holder}` has not been heard of for {silent:.0f} s", hint)
    else:
        yield Finding("labeller", Health.GOOD, f"`{holder}` labels the nodes")


def places(api: ApiServer, label: str) -> Iterator[Finding]:
    """Do the nodes say where they are?"""
    nodes = api.get("/api/v1/nodes", {"limit": "500"}).get("items") or ()
    silent = [node["metadata"]["name"] for node in nodes if label not in (node["metadata"].get("labels") or {})]
    if silent:
        shown = ", ".join(silent[:5]) + (" ..." if len(silent) > 5 else "")
        hint = f"`bailiwick nodes label` writes `{label}` and says why not; no pod of a class with residency runs there"
        yield Finding("node places", Health.WARNING, f"{len(silent)} of {len(nodes)} without a place: {shown}", hint)
    else:
        yield Finding("node places", Health.GOOD, f"{len(nodes)} nodes, all with a place")
