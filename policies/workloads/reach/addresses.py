"""What a text leads to: URLs, hosts by the name of the variable or flag that holds them, hosts as they are written.

Guarantees: what is written is reported as it is written; a name that is plainly a service of the cluster or the pod
itself is no destination. Never raises. Where a host lies is geography's business.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from policies.json import Json, JsonObject
from policies.remembered import remembered
from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import CHILD, is_open
from policies.workloads.names.written import is_file, is_ipv6, plain_hosts

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
HOST = re.compile(
    r"(?:[\w.-]+@)?((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]+|(?:[0-9]{1,3}\.){3}[0-9]{1,3})(?:[:/][^\s]*)?",
    re.IGNORECASE,
)
COPIED = re.compile(r"[\w.-]+@((?:[a-z0-9-]+\.)+[a-z0-9-]+):\S*", re.IGNORECASE)  # user@host:path, of scp and Git
_BETWEEN = re.compile(r"[,;\s]+")  # hosts of a list
_CAMEL = re.compile("(?<=[a-z0-9])(?=[A-Z])")  # `redisHost`: attributes of drivers and components are written so


def destination(path: str, **fields: str) -> Destination:
    return {"path": path, **{name: fields.get(name, "") for name in _FIELDS}}


def is_outside(host: str) -> bool:
    """Whether a host, if one is named at all, may lie outside of the cluster."""
    if not host or "://:" in host or ":///" in host:
        return _NOBODY.fullmatch(host[:2048]) is None
    return _INSIDE.fullmatch(host[:2048]) is None


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


@remembered(2048)  # programs have few flags and variables
def is_host_name(name: str) -> bool:
    """Whether a variable or flag of this name holds a host."""
    return _hosts().search(name) is not None


@remembered(2048)
def purpose_of(name: str) -> str:
    """What would go to an address, by the name of the variable or flag that holds it."""
    return next((what for pattern, what in _purposes() if pattern.search(name)), "data")


def leads_to(name: str, value: str, path: str) -> Iterator[Destination]:
    """What the value of a variable or flag leads to."""
    for host in _hosts_told((name, value)):
        yield destination(path, kind="host", host=host, what=purpose_of(name))


def hosts_told(name: str, value: str) -> tuple[str, ...]:
    """The hosts in the value of a field of an object, whose name may be written in any way."""
    return _hosts_told((as_variable(name), value))


@remembered(4096)  # pods of one template say the same
def _hosts_told(said: tuple[str, str]) -> tuple[str, ...]:
    """By name and value: URLs, what its name says is a host, hosts as they are written."""
    name, value = said
    hosts: dict[str, None] = {}
    beside = False
    if "{{" in value:
        value = CHILD.sub("child", value)
    if "..." in value:
        value = _SPAN.sub("x", value)
    if "\\/" in value:  # as JSON may write slashes
        value = value.replace("\\/", "/")
    if "://" in value:
        alone = _ADDRESS.fullmatch(value) is not None
        for address in (value,) if alone else _ADDRESS.findall(value):
            if address.partition(":")[0].lower() not in table("facts")["hubs"]:
                hosts[address] = None
        value = "" if alone else _ADDRESS.sub(" ", value).strip()  # what stands beside them
        beside = value != ""
    elif ("." in value or ":" in value) and is_host_name(name) and name.upper() != "NO_PROXY":
        hosts |= {one: None for one in _BETWEEN.split(value) if _reads_like_host(one)} if _is_list(value) else {}
    elif _is_role(name) and all(map(HOST.fullmatch, _BETWEEN.split(value.strip()))):
        hosts |= {one: None for one in _BETWEEN.split(value.strip()) if not is_file(one)}
    elif "@" in value and (copied := COPIED.fullmatch(value)):
        hosts[copied[1]] = None
    if beside or " " in value or not hosts:
        hosts |= dict.fromkeys(plain_hosts(name, value, says_host))
    return tuple(host for host in hosts if is_outside(host))


def says_host(name: str) -> bool:
    """Whether a field of an object of this name holds a host, or what a host is to it."""
    return _is_host_or_role(as_variable(name))


def as_variable(name: str) -> str:
    """The name of a field with its words apart, as variables have them: `redisHost`, `redis.host`."""
    return _CAMEL.sub("_", name).replace(".", "_")


@remembered(2048)
def _is_role(name: str) -> bool:
    """Whether a name says what a host is to the program: `upstream`, `master`."""
    return _roles().search(name) is not None


def may_lead(name: str, value: str) -> bool:
    """Whether it's worth a closer look: most values have no colon and no dots, or a name that says nothing."""
    if ":" in value or "=" in value:
        return True
    return "." in value and (value.count(".") > 2 or _is_host_or_role(name))


@remembered(2048)
def _is_host_or_role(name: str) -> bool:
    return is_host_name(name) or _is_role(name)


@cache
def _roles() -> re.Pattern[str]:
    return re.compile(table("facts")["host_roles"], re.IGNORECASE)


def _is_list(value: str) -> bool:
    """Whether a value is hosts and nothing else: one, or several with what stands between hosts in lists."""
    return " " not in value.strip() or all(HOST.fullmatch(one) for one in value.split())


def _reads_like_host(text: str) -> bool:
    if is_ipv6(text):
        return True
    if text[:2] == "//":  # as browsers write it
        return HOST.fullmatch(text[2:]) is not None
    return "." in text and " " not in text and text[:1] not in ("", ".", "/", ":") and not is_open(text)
