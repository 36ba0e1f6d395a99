"""Where a pod's data goes: hosts, buckets and regions that it names, and what would go there.

Guarantees: what is written is reported as it is written; a name that is plainly a service of the cluster or the pod
itself is no destination. A variable that tells where telemetry, inference or backups go and can't be seen here is one
that leads anywhere. Where a host lies is geography's business.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, partial
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.arguments import END, Variables, Word, is_open, program, runs, script_words, words_of
from policies.workloads.buckets import told_buckets
from policies.workloads.images import containers_of, listed
from policies.workloads.paths import member
from policies.workloads.rows import as_text
from policies.workloads.tables import table
from policies.workloads.text import loaded
from policies.workloads.written import is_file, is_ipv6, plain_hosts

Own = Callable[[JsonObject], str | None]
Destination = dict[str, Any]  # path, kind, host, bucket, cluster, provider, region, what

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'`,;)\]}<>]+")
_ENVOY = ("address", "uri", "target_uri")  # of socket_address, http_uri, google_grpc
_FIELDS = ("host", "bucket", "cluster", "kind", "provider", "region", "what")
_INSIDE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:[^@/?#\\\s]*@)?"
    r"(?:localhost|127\.[0-9.]+|0\.0\.0\.0|\[::1?\]|::1?(?!:)|(?:[a-z0-9_-]+\.)+svc(?:\.cluster\.local)?\.?)"
    r"(?::[0-9]+)?(?:[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_NOBODY = re.compile(  # where a server waits, a file of the container
    r"[a-z][a-z0-9+.-]*://:[0-9]{1,5}(?:/[^?#;\s]*)?|sqlite[a-z0-9+.]*:///[^?#\s]*", re.IGNORECASE
)
_SPAN = re.compile(r"(?<=[a-z0-9-])\{[0-9]+\.{2,3}[0-9]+\}", re.IGNORECASE)  # `minio-{0...3}`: hosts by their number
_HIDDEN = ("telemetry", "inference", "backups")  # what may not go to where nobody here can see
_OWN = {"status.podIP": "localhost", "status.podIPs": "localhost", "status.hostIP": "localhost"}
_OWN |= {"status.hostIPs": "localhost", "metadata.namespace": "namespace", "metadata.name": "pod"}
_WRITTEN = re.compile(r"metadata\.(annotations|labels)\['([^']+)'\]")  # field paths of what anybody may write
_SEARCHED = re.compile(r"(?:[a-z0-9-]+\.)?svc\.cluster\.local\.?|cluster\.local\.?|\.|svc")
_HOST = re.compile(
    r"(?:[\w.-]+@)?((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]+|(?:[0-9]{1,3}\.){3}[0-9]{1,3})(?::[^\s]*)?(?:/[^\s]*)?",
    re.IGNORECASE,
)
_DEVICE = re.compile(r".*/dev/(?:tcp|udp)/([^/\s]+)")  # what shells connect to as if it were a file
_COPIED = re.compile(r"[\w.-]+@((?:[a-z0-9-]+\.)+[a-z0-9-]+):\S*", re.IGNORECASE)  # user@host:path, of scp and Git
_WRITES = ("-o", "--output", "-O", "-T", "--upload-file", "-i", "--cacert", "--cert", "--key", "-out", "-in")  # files
_CAMEL = re.compile("(?<=[a-z0-9])(?=[A-Z])")  # `redisHost`: attributes of drivers and components are written so
_LISTENS = re.compile("listen|bind", re.IGNORECASE)  # where a server waits, not where it calls
_OTHER_ACTIONS = ("exec", "tcpSocket", "postStart", "preStop")
_REMEMBERED = 256  # characters of a value; longer ones are read each time
HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def destination(path: str, **fields: str) -> Destination:
    return {"path": path, **{name: fields.get(name, "") for name in _FIELDS}}


def is_outside(host: str) -> bool:
    """Whether a host, if one is named at all, may lie outside of the cluster."""
    if not host or "://:" in host or ":///" in host:
        return _NOBODY.fullmatch(host[:2048]) is None
    return _INSIDE.fullmatch(host[:2048]) is None


def destinations_of_pod(metadata: JsonObject, spec: JsonObject, meta_at: str, spec_at: str) -> list[Destination]:
    """Addresses in environments, arguments and hooks, network volumes, name servers, and annotations of hosts."""
    found: list[Destination] = []
    for at, container in containers_of(spec):
        found += container_destinations(container, f"{spec_at}{at}.", metadata)
    for index, volume in enumerate(listed(spec.get("volumes"))):
        if isinstance(volume, dict):
            found += volume_destinations(volume, f"{spec_at}volumes[{index}]")
    if "hostAliases" in spec or "dnsConfig" in spec:
        found += _names(spec, spec_at)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and annotations and not _told_by_annotations().isdisjoint(annotations):
        found += _annotated(annotations, f"{meta_at}annotations")
    return found


@cache
def _told_by_annotations() -> frozenset[str]:
    return frozenset((*table("facts")["destination_annotations"], *table("facts")["written_annotations"]))


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


def container_destinations(
    container: JsonObject, where: str, metadata: JsonObject | None = None
) -> Iterator[Destination]:
    """Addresses that a container is told by its environment, its arguments or its hooks; `metadata` is its pod's."""
    environment = listed(container.get("env"))
    own = partial(_own_of, metadata=metadata)
    variables = Variables(container.get("env"), own)
    if environment:
        yield from _environment(environment, variables, where, own)
    if runs(container):
        yield from _words(words_of(container, where, variables))
    for field in HANDLERS:
        if field in container and not _asks_the_pod(container[field]):
            yield from _hooks(container[field], f"{where}{field}", variables)


def script_destinations(script: str, path: str) -> Iterator[Destination]:
    """Addresses of a command line that is one text, or of a script that isn't a container's."""
    yield from _words(script_words(script, path, Variables()))


def _asks_the_pod(probe: Json) -> bool:
    """Whether all that a probe does is to ask the pod itself: the usual case."""
    asked = probe.get("httpGet") if isinstance(probe, dict) else None
    return isinstance(asked, dict) and "host" not in asked and probe.keys().isdisjoint(_OTHER_ACTIONS)


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


def _environment(environment: list[Json], variables: Variables, where: str, own: Own) -> Iterator[Destination]:
    told: dict[str, Json] = {}
    for index, variable in enumerate(environment):
        name = variable.get("name") if isinstance(variable, dict) else None
        if not isinstance(name, str):
            continue
        told[name] = value = variable.get("value")
        if isinstance(value, str):
            if "$" in value or _may_lead(name, value):
                yield from _told(name, variables.told(index, value), f"{where}env[{index}]")
        elif (held := own(variable)) is not None:
            yield from _told(name, held, f"{where}env[{index}]")
        elif _leads_anywhere(name, variable.get("valueFrom")):
            yield destination(f"{where}env[{index}]", kind="host", host=f"$({name})", what=purpose_of(name))
    if not _implying().isdisjoint(told):
        yield from _implied(told, f"{where}env")
    if any("BUCKET" in name or "bucket" in name for name in told):
        for name, fields in told_buckets(told):
            yield destination(f"{where}env[{_index(environment, name)}]", what=purpose_of(name), **fields)


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


def _index(environment: list[Json], name: str) -> int:
    """Which of the variables counts: the last of its name."""
    return max(at for at, one in enumerate(environment) if isinstance(one, dict) and one.get("name") == name)


def _leads_anywhere(name: str, source: Json) -> bool:
    """Whether a variable that is filled in elsewhere says where something goes that must not go anywhere."""
    told = bool(source) and _says_host(name) and _LISTENS.search(name) is None
    return told and purpose_of(name) in _HIDDEN


def _hooks(value: Json, where: str, variables: Variables) -> Iterator[Destination]:
    """Probes and lifecycle hooks: a command, or a request that the kubelet makes."""
    for at, action in actions_of(value, where):
        command = action.get("exec")
        if isinstance(command, dict):
            yield from _words(words_of(command, f"{at}.exec.", variables))
        for kind in ("httpGet", "tcpSocket"):
            held = action.get(kind)
            host = held.get("host") if isinstance(held, dict) else None
            if isinstance(host, str) and host and is_outside(host):
                yield destination(f"{at}.{kind}.host", kind="host", host=host, what="data")


def actions_of(value: Json, where: str) -> Iterator[tuple[str, JsonObject]]:
    """The actions of a probe (one) or of `lifecycle` (its hooks)."""
    if isinstance(value, dict):
        yield where, value
        for hook in ("postStart", "preStop"):
            if isinstance(held := value.get(hook), dict):
                yield f"{where}.{hook}", held


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


def text_addresses(text: str, path: str, what: str) -> Iterator[Destination]:
    """Every URL in a text, once."""
    for address in dict.fromkeys(match[0] for match in _ADDRESS.finditer(text)):
        if is_outside(address) and not is_open(address):
            yield destination(path, kind="host", host=address, what=what)


def named_addresses(pair: JsonObject, path: str, what: str) -> Iterator[Destination]:
    """A name with a value that is a URL, or whose name says that it is a host."""
    if names_host(pair) and is_outside(value := pair["value"]):
        yield destination(f"{path}.value", kind="host", host=value, what=what)


def names_host(pair: JsonObject) -> bool:
    """Whether a pair of `name` and `value` says a host, wherever that is."""
    name, value = pair.get("name"), pair.get("value")
    if not isinstance(name, str) or not isinstance(value, str) or not value:
        return False
    return "://" in value or _hosts().search(_CAMEL.sub("_", name)) is not None


def envoy_addresses(value: Json, path: str, what: str, fields: Iterable[str] = _ENVOY) -> Iterator[Destination]:
    """The hosts of raw Envoy configuration: addresses of sockets, and URIs; or those that other `fields` name."""
    pending: list[Json] = [value]
    hosts: dict[str, None] = {}
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += reversed(list(one.values()))
            hosts |= {held: None for name in fields if isinstance(held := one.get(name), str) and held}
        elif isinstance(one, list):
            pending += reversed(one)
    for host in hosts:
        if is_outside(host):
            yield destination(path, kind="host", host=host, what=what)


@cache
def _hosts() -> re.Pattern[str]:
    return re.compile(table("facts")["host_names"], re.IGNORECASE)


@cache
def _purposes() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(row["match"], re.IGNORECASE), row["what"]) for row in table("facts")["purposes"])


@lru_cache(maxsize=2048)  # programs have few flags and variables
def _says_host(name: str) -> bool:
    """Whether a variable or flag of this name holds a host."""
    return _hosts().search(name) is not None


@lru_cache(maxsize=2048)
def purpose_of(name: str) -> str:
    """What would go to an address, by the name of the variable or flag that holds it."""
    return next((what for pattern, what in _purposes() if pattern.search(name)), "data")


def _told(name: str, value: str, path: str) -> Iterator[Destination]:
    """What the value of a variable or flag leads to."""
    hosts = _hosts_told(name, value) if len(value) <= _REMEMBERED else _hosts_told.__wrapped__(name, value)
    for host in hosts:
        yield destination(path, kind="host", host=host, what=purpose_of(name))


@lru_cache(maxsize=4096)  # pods of one template say the same
def _hosts_told(name: str, value: str) -> tuple[str, ...]:
    """URLs, what its name says is a host, hosts as they are written."""
    hosts: dict[str, None] = {}
    beside = False
    if "..." in value:
        value = _SPAN.sub("x", value)
    if "://" in value:
        for address in dict.fromkeys(match[0] for match in _ADDRESS.finditer(value)):
            if address.partition(":")[0].lower() not in table("facts")["hubs"]:
                hosts[address] = None
        value = _ADDRESS.sub(" ", value).strip()  # what stands beside them
        beside = value != ""
    elif ("." in value or ":" in value) and _says_host(name) and name.upper() != "NO_PROXY":
        hosts |= {host: None for one in value.split(",") if _reads_like_host(host := one.strip())}
    elif _is_role(name) and (_HOST.fullmatch(value) and not is_file(value)):
        hosts[value] = None
    if beside or " " in value or not hosts:
        hosts |= dict.fromkeys(plain_hosts(name, value, _is_host_or_role))
    return tuple(host for host in hosts if is_outside(host))


def hosts_told(name: str, value: str) -> tuple[str, ...]:
    """The hosts in the value of a field of an object, whose name may be written in any way."""
    name = _CAMEL.sub("_", name)
    return _hosts_told(name, value) if len(value) <= _REMEMBERED else _hosts_told.__wrapped__(name, value)


def says_host(name: str) -> bool:
    """Whether a field of an object of this name holds a host, or what a host is to it."""
    return _is_host_or_role(_CAMEL.sub("_", name))


@lru_cache(maxsize=2048)
def _is_role(name: str) -> bool:
    """Whether a name says what a host is to the program: `upstream`, `master`."""
    return _roles().search(name) is not None


def _may_lead(name: str, value: str) -> bool:
    """Whether it's worth a closer look: most values have no colon and no dots, or a name that says nothing."""
    if ":" in value or "=" in value:
        return True
    return "." in value and (value.count(".") > 2 or _is_host_or_role(name))


@lru_cache(maxsize=2048)
def _is_host_or_role(name: str) -> bool:
    return _says_host(name) or _is_role(name)


@cache
def _roles() -> re.Pattern[str]:
    return re.compile(table("facts")["host_roles"], re.IGNORECASE)


def _reads_like_host(text: str) -> bool:
    if is_ipv6(text):
        return True
    return "." in text and " " not in text and text[:1] not in ("", ".", "/", ":") and not is_open(text)


def _words(words: list[Word]) -> Iterator[Destination]:
    seen: set[tuple[str, str]] = set()
    before, sends, senders, uploads = "", False, _senders(), _uploads()
    for text, path in words:
        if text in uploads and (host := uploads[text].get(program(before))):
            yield destination(path, kind="vendor", host=host, what="data")
        if "." in text or ":" in text or "/dev/" in text:
            for one in _word(text, path, before, sends=sends):
                if (path, one["host"]) not in seen:
                    seen.add((path, one["host"]))
                    yield one
        sends = text != END and (sends or (program(text) if "/" in text else text) in senders)
        before = text


@cache
def _senders() -> frozenset[str]:
    """Programs that send something to the host that they are given."""
    return frozenset(table("facts")["senders"])


@cache
def _uploads() -> dict[str, dict[str, str]]:
    """Where the commands of programs send to that name no host: by command, then by program."""
    found: dict[str, dict[str, str]] = {}
    for name, row in table("facts")["uploads"].items():
        for verb in row["commands"]:
            found.setdefault(verb, {})[name] = row["host"]
    return found


def _word(text: str, path: str, before: str, *, sends: bool) -> Iterable[Destination]:
    """What one word of a command line names: a URL, the host that a flag asks for, the host that a program sends to."""
    flagged = text[:1] == "-"
    if "://" in text:
        return _told(text.partition("=")[0] if flagged else before, text, path)
    match = ("/dev/" in text and _DEVICE.match(text)) or ("@" in text and _COPIED.fullmatch(text))
    if match and is_outside(match[1]):
        return [destination(path, kind="host", host=match[1], what="data")]
    if sends and text[:2] == "-h" and (match := _HOST.fullmatch(text[2:])):  # of clients of databases
        return [destination(path, kind="host", host=match[1], what="data")] if is_outside(match[1]) else ()
    if sends and not flagged and (match := _HOST.fullmatch(text)) and before not in _WRITES and not is_file(match[1]):
        return [destination(path, kind="host", host=match[1], what="data")] if is_outside(match[1]) else ()
    name, _, value = text.partition("=") if flagged else (before, "", text)
    if name[:1] != "-" or value[:1] in ("-", ".", "/", ":"):
        return _told("", text, path) if _may_lead("", text) else ()
    name = name.lstrip("-")
    return _told(name, value, path) if _may_lead(name, value) else ()


def volume_destinations(volume: JsonObject, where: str) -> Iterator[Destination]:
    """Where a volume of a pod lies that is not the node's, a claim's or the cluster's own."""
    if volume.keys().isdisjoint(_remote()):
        return
    for source, field in table("facts")["network_volumes"].items():
        held = volume.get(source)
        if held is None:
            continue
        value = held.get(field) if isinstance(held, dict) else None
        for host in [value] if isinstance(value, str) else listed(value):
            if isinstance(host, str) and host:
                yield destination(f"{where}.{source}.{field}", kind="host", host=host, what="data")
    for source, row in table("facts")["cloud_volumes"].items():
        if isinstance(held := volume.get(source), dict):
            named = held.get(row["field"])
            name = named if isinstance(named, str) else ""
            yield destination(f"{where}.{source}", kind="volume", provider=row["provider"], bucket=name, what="data")
    csi = volume.get("csi")
    if isinstance(csi, dict):
        yield from csi_destinations(csi, f"{where}.csi")


@cache
def _remote() -> frozenset[str]:
    """The sources of volumes that lie elsewhere."""
    facts = table("facts")
    return frozenset((*facts["network_volumes"], *facts["cloud_volumes"], "csi"))


def csi_destinations(csi: JsonObject, where: str) -> Iterator[Destination]:
    """A volume by a CSI driver: its bucket, its server, any address among its attributes; else where the driver is."""
    driver, attributes = csi.get("driver"), csi.get("volumeAttributes")
    if not isinstance(driver, str) or driver in table("facts")["csi_local"]:
        return
    held = attributes if isinstance(attributes, dict) else {}
    found = list(_attributes(driver, held, f"{where}.volumeAttributes"))
    yield from found
    if not found:
        yield destination(f"{where}.driver", kind="driver", host=driver, what="data")


def _attributes(driver: str, attributes: JsonObject, where: str) -> Iterator[Destination]:
    row = table("facts")["csi_buckets"].get(driver)
    if row and isinstance(bucket := attributes.get(row["bucket"]), str) and bucket:
        told = attributes.get(row.get("host", "endpoint"))
        host = told if isinstance(told, str) else ""
        at = member(where, row["bucket"])
        yield destination(at, kind="bucket", bucket=bucket, provider=row["provider"], host=host, what="data")
    for name, value in attributes.items():
        if isinstance(value, str) and value and not (row and name in (row["bucket"], row.get("host", "endpoint"))):
            if "://" in value:
                yield from text_addresses(value, member(where, name), "data")
            elif names_host({"name": name, "value": value}) and is_outside(value) and not value.startswith("/"):
                yield destination(member(where, name), kind="host", host=value, what="data")
