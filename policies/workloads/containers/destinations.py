"""Where a pod's data goes: hosts, buckets and regions that it names, and what would go there.

Guarantees: what is written is reported as it is written; a name that is plainly a service of the cluster or the pod
itself is no destination. A variable that tells where telemetry, inference or backups go and can't be seen here is one
that leads anywhere. Where a host lies is geography's business.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

from policies.json import Json, JsonObject
from policies.workloads.catalogue.rows import as_text
from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import Variables, Word, runs, words_of
from policies.workloads.containers.container import Container, actions_of
from policies.workloads.names.images import listed
from policies.workloads.names.text import loaded
from policies.workloads.reach.addresses import (
    Destination,
    destination,
    envoy_addresses,
    is_host_name,
    is_outside,
    leads_to,
    may_lead,
    purpose_of,
)
from policies.workloads.reach.buckets import commands_of, flags_of, may_store, told_buckets, told_regions
from policies.workloads.reach.contacts import destinations_of_words
from policies.workloads.reach.remote import volume_destinations
from policies.workloads.reach.repositories import is_elsewhere, repository, told_remotes

Own = Callable[[JsonObject], str | None]

_HIDDEN = ("telemetry", "inference", "backups")  # what may not go to where nobody here can see
_OWN = {"status.podIP": "localhost", "status.podIPs": "localhost", "status.hostIP": "localhost"}
_OWN |= {"status.hostIPs": "localhost", "metadata.namespace": "namespace", "metadata.name": "pod"}
_WRITTEN = re.compile(r"metadata\.(annotations|labels)\['([^']+)'\]")  # field paths of what anybody may write
_SEARCHED = re.compile(r"(?:[a-z0-9-]+\.)?svc\.cluster\.local\.?|cluster\.local\.?|\.|svc")
_REPOSITORIES = ("RESTIC_REPOSITORY", "RESTIC_REPOSITORY2", "RESTIC_FROM_REPOSITORY")
_LISTENS = re.compile("listen|bind", re.IGNORECASE)  # where a server waits, not where it calls


def destinations_of_pod(
    containers: Iterable[Container], metadata: JsonObject, spec: JsonObject, meta_at: str, spec_at: str
) -> list[Destination]:
    """Addresses in environments, arguments and hooks, network volumes, name servers, and annotations of hosts."""
    found: list[Destination] = []
    for container in containers:
        found += destinations_of_container(container, metadata)
    for index, volume in enumerate(listed(spec.get("volumes"))):
        if isinstance(volume, dict):
            found += volume_destinations(volume, f"{spec_at}volumes[{index}]")
    if "hostAliases" in spec or "dnsConfig" in spec:
        found += _names(spec, spec_at)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and annotations:
        found += _commanded(annotations, f"{meta_at}annotations")
        if not _told_by_annotations().isdisjoint(annotations):
            found += _annotated(annotations, f"{meta_at}annotations")
    return found


@cache
def _told_by_annotations() -> frozenset[str]:
    return frozenset((*table("facts")["destination_annotations"], *table("facts")["written_annotations"]))


@cache
def _commanding() -> tuple[str, ...]:
    return tuple(name.rstrip("*") for name in table("facts")["command_annotations"])


def _commanded(annotations: JsonObject, where: str) -> Iterator[Destination]:
    """What commands in annotations contact: a text, or a list of words as JSON."""
    for key, value in annotations.items():
        if isinstance(value, str) and str(key).startswith(_commanding()):
            held = loaded(value) if value[:1] == "[" else None
            command = {"command": held} if isinstance(held, list) else {"script": value}
            for one in destinations_of_words(words_of(command, "", Variables())):
                yield {**one, "path": f'{where}["{key}"]'}


def _annotated(annotations: JsonObject, where: str) -> Iterator[Destination]:
    """What annotations of pods say to those who put something beside their containers."""
    facts = table("facts")
    for key, what in facts["destination_annotations"].items():
        value = annotations.get(key)
        if isinstance(value, str) and value and is_outside(value):
            yield destination(f'{where}["{key}"]', kind="host", host=value, what=what)
    for key, row in facts["written_annotations"].items():
        if (value := annotations.get(key)) and isinstance(value, str):
            held = loaded(value)
            if isinstance(held, dict):
                yield from envoy_addresses(held, f'{where}["{key}"]', row["what"], row["fields"])
            else:  # nobody can say what it means
                yield destination(f'{where}["{key}"]', kind="open", host="*", what=row["what"])


def destinations_of_container(container: Container, metadata: JsonObject | None = None) -> list[Destination]:
    """Addresses that a container is told by its environment, its arguments or its hooks; `metadata` is its pod's."""
    own = partial(_own_of, metadata=metadata)
    variables = Variables(container.held.get("env"), own)
    found: list[Destination] = []
    if container.names:
        found += _environment(container, variables, own)
    words = _words(container, variables)
    found += _contacted(container, words)
    found += _flagged(container, words)
    for field, hook in container.hooks:
        found += _hooks(hook, f"{container.at}{field}", variables)
    return found


def _words(container: Container, variables: Variables) -> list[Word]:
    """The words of a container's command line, as far as it says what it runs."""
    line = container.line
    if line is not None:
        return line.words
    return words_of(container.held, container.at, variables) if runs(container.held) else []


def _contacted(container: Container, words: list[Word]) -> Iterable[Destination]:
    """What a container's command line contacts."""
    if container.line is None:
        return destinations_of_words(words)
    leading = container.line.leading()
    return destinations_of_words(words, leading) if leading else ()


def _flagged(container: Container, words: list[Word]) -> Iterator[Destination]:
    """Buckets and regions among the flags of a container's command line, with what its variables say of them."""
    line = container.line
    if not (any(may_store(text) for text, _ in words) if line is None else line.stores()):
        return
    for flags in filter(None, map(flags_of, commands_of(words))):
        told = {**_by_name(container), **{name: text for name, (text, _) in flags.items()}}
        for name, fields in [*told_buckets(told), *told_regions(told)]:
            if name in flags:
                yield destination(flags[name][1], what=purpose_of(name), **fields)
        for name, host in table("facts")["account_flags"].items():
            if name in flags:
                yield destination(flags[name][1], kind="host", host=f"{flags[name][0]}.{host}", what="data")


def _own_of(variable: JsonObject, metadata: JsonObject | None = None) -> str | None:
    """What a container is told of its own pod and node: where it leads nowhere outside, or where it's written here."""
    source = variable.get("valueFrom")
    field = source.get("fieldRef") if isinstance(source, dict) else None
    if not isinstance(field, dict):
        return None
    at = as_text(field.get("fieldPath"))
    if metadata and (match := _WRITTEN.fullmatch(at)):
        held = metadata.get(match[1])
        value = held.get(match[2]) if isinstance(held, dict) else None
        return value if isinstance(value, str) else None
    return _OWN.get(at)


def _environment(container: Container, variables: Variables, own: Own) -> Iterator[Destination]:
    for index, name, value, held in container.telling:
        if isinstance(value, str):
            if name[:6] == "RESTIC" and name in _REPOSITORIES and is_elsewhere(value):
                yield from repository(variables.told(index, value), f"{container.at}env[{index}]", "backups")
            elif "$" in value or may_lead(name, value):
                yield from leads_to(name, variables.told(index, value), f"{container.at}env[{index}]")
        elif (told := own(held)) is not None:
            yield from leads_to(name, told, f"{container.at}env[{index}]")
        elif _leads_anywhere(name, held.get("valueFrom")):
            at = f"{container.at}env[{index}]"
            yield destination(at, kind="host", host=f"$({name})", what=purpose_of(name))
    if not _implying().isdisjoint(container.names):
        yield from _implied(_by_name(container), f"{container.at}env")
    names = "\n".join(container.names)
    if any(mark in names for mark in ("REGION", "region", "LOCATION", "RCLONE_CONFIG_")):
        yield from _told_apart(container, variables)
    if "BUCKET" in names or "bucket" in names:
        index_of = _index_of(container)
        for name, fields in told_buckets(_by_name(container)):
            yield destination(f"{container.at}env[{index_of[name]}]", what=purpose_of(name), **fields)


def _told_apart(container: Container, variables: Variables) -> Iterator[Destination]:
    """Regions that are told alone, and remotes that variables set up."""
    index_of = _index_of(container)
    told: dict[str, Json] = {
        name: variables.told(index, value) if isinstance(value, str) else value
        for index, name, value, _ in container.variables
    }
    for name, fields in told_regions(told):
        yield destination(f"{container.at}env[{index_of[name]}]", what=purpose_of(name), **fields)
    for name, one in told_remotes(told):
        yield {**one, "path": f"{container.at}env[{index_of[name]}]"}


def _index_of(container: Container) -> dict[str, int]:
    """Where variables stand by their names; of two with one name, the last counts."""
    return {name: index for index, name, _, _ in container.variables}


def _by_name(container: Container) -> dict[str, Json]:
    return {name: value for _, name, value, _ in container.variables}


@cache
def _implying() -> frozenset[str]:
    return frozenset((*table("facts")["implied"], *table("facts")["switches"]))


def _implied(told: dict[str, Json], path: str) -> Iterator[Destination]:
    """Services that are asked at their own address, or in a region, because a variable is told at all."""
    facts = table("facts")
    for key, row in facts["implied"].items():
        if key in told and told.keys().isdisjoint(row["unless"]):
            yield destination(path, kind="vendor", host=row["host"], what=row["what"])
    for key, row in facts["switches"].items():
        value = str(told[key]).lower() if key in told else ""
        if (
            value not in facts["turned_off"]
            and value == row.get("only", value)
            and told.keys().isdisjoint(row["unless"])
        ):
            region = next((as_text(told[name]) for name in row["regions"] if name in told), "")
            yield destination(path, kind="vendor", provider=row["provider"], region=region, what=row["what"])


def _leads_anywhere(name: str, source: Json) -> bool:
    """Whether a variable that is filled in elsewhere says where something goes that must not go anywhere."""
    told = bool(source) and is_host_name(name) and _LISTENS.search(name) is None
    return told and purpose_of(name) in _HIDDEN


def _hooks(value: Json, where: str, variables: Variables) -> Iterator[Destination]:
    """Probes and lifecycle hooks: a command, or a request that the kubelet makes."""
    for at, action in actions_of(value, where):
        command = action.get("exec")
        if isinstance(command, dict):
            run = Container(command, f"{at}.exec.")
            yield from _contacted(run, _words(run, variables))
        for kind in ("httpGet", "tcpSocket"):
            held = action.get(kind)
            host = held.get("host") if isinstance(held, dict) else None
            if isinstance(host, str) and host and is_outside(host):
                yield destination(f"{at}.{kind}.host", kind="host", host=host, what="data")


def _names(spec: JsonObject, spec_at: str) -> Iterator[Destination]:
    """What gives names another meaning: addresses of aliases, name servers, search domains."""
    for index, alias in enumerate(listed(spec.get("hostAliases"))):
        address = alias.get("ip") if isinstance(alias, dict) else None
        if isinstance(address, str) and is_outside(address):
            yield destination(f"{spec_at}hostAliases[{index}].ip", kind="host", host=address, what="data")
    resolver = spec.get("dnsConfig")
    resolver = resolver if isinstance(resolver, dict) else {}
    for field in ("nameservers", "searches"):
        for index, host in enumerate(listed(resolver.get(field))):
            if isinstance(host, str) and not _SEARCHED.fullmatch(host) and is_outside(host):
                yield destination(f"{spec_at}dnsConfig.{field}[{index}]", kind="host", host=host, what="data")
