"""Hosts that a text writes without a scheme: `host:port`, addresses, members of objects and connection strings.

Guarantees: linear in the text, never raises. A dotted name alone is no host (files, modules and versions have dots): it
needs a port, or a name beside it that says what it is. What such a name means is the caller's business.
"""

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address

from policies.remembered import remembered

_NAME = r"(?:[a-z0-9_](?:[a-z0-9_-]*)\.)+[a-z][a-z0-9-]*[a-z0-9]"
_V4 = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
# as socat and gRPC write it
_VIA = r"(?:(?:tcp[46]?|udp[46]?|ssl|tls|openssl|sctp|https?|socks[45]?|proxy|amqp|redis|dns|ipv[46]):)?"
_PLAIN = re.compile(
    rf"(?<![\w./:$}}-]){_VIA}(?:"
    rf"(?P<named>{_NAME})\.?:[0-9]{{1,5}}(?![\w.-])"
    rf"|(?P<v4>{_V4})(?::[0-9]{{1,5}}(?![\w.])|(?!/[0-9]{{1,2}}(?:\W|\Z))(?![\w.-]))"
    r"|\[(?P<v6>[0-9a-f:.]{2,45})(?:%\w+)?\]"
    r")",
    re.IGNORECASE,
)
_MEMBER = re.compile(
    rf"(?:(?<![\w.-])|(?<=-D)|(?<=--))([a-z][\w.-]*)"
    rf"[\"']?\s*[=:]\s*[\"']?{_VIA}({_NAME}(?:,{_NAME})*)(?=$|[\"'\s,;:&)}}\]/?])",
    re.IGNORECASE,
)
_GUID = re.compile(
    r"(?:[0-9a-f]{2}:){7}[0-9a-f]{2}", re.IGNORECASE
)  # of InfiniBand; no network routes to such addresses
_ACCOUNT = re.compile(r"(?:^|;)\s*AccountName\s*=\s*([\w-]+)", re.IGNORECASE)  # of Azure's storage
_JDBC = re.compile("jdbc:sqlserver:", re.IGNORECASE)
_SERVER = re.compile(";servername=([^;]+)", re.IGNORECASE)
_APART = re.compile(r"[\s\"']+")
_SUFFIX = re.compile(r"EndpointSuffix\s*=\s*([\w.-]+)", re.IGNORECASE)
_NO_HOSTS = re.compile(
    r"(?:version|ver|tag|release|revision|cidr|subnet|mask|range|network|no[_-]proxy|image"
    r"|(?:listen|bind)(?:[_-]?(?:on|ip|host|addr(?:ess)?))?)s?$",
    re.IGNORECASE,
)
_FILES = re.compile(
    r".*\.(?:ya?ml|json|jsonl|txt|toml|cfg|conf|ini|log|csv|parquet|bin|gguf|safetensors|onnx|sql|tar|gz|pem|crt|key"
    r"|js|go|rb|html|xml|ipynb|pth|ckpt)|[^.]*\.(?:py|sh)",
    re.IGNORECASE,
)


def plain_hosts(name: str, text: str, says_host: Callable[[str], bool]) -> Iterator[str]:
    """The hosts in the value of a flag or variable of that name; `says_host` knows the names that mean one."""
    if ":" not in text and "=" not in text and text.count(".") < 3:  # less than an address has
        return
    if name and _says_no_host(name):
        return
    if is_ipv6(text):
        yield text
        return
    for match in _PLAIN.finditer(text):
        if match["v6"]:
            if is_ipv6(match["v6"]):
                yield match[0]
        elif match["v4"] or not (
            is_file(match["named"]) or text[max(match.start() - 1, 0)] in "[{"
        ):  # a slice of Python
            yield text[match.start("v4" if match["v4"] else "named") : match.end()]
    if "=" in text or ":" in text:
        yield from _members(text, says_host)


@remembered(2048)
def _says_no_host(name: str) -> bool:
    return _NO_HOSTS.search(name) is not None


def _members(text: str, says_host: Callable[[str], bool]) -> Iterator[str]:
    """Of objects and connection strings: `{"endpoint": "a.example"}`, `host=a.example user=x`, `Server=tcp:a,1433`."""
    for match in _MEMBER.finditer(text):
        if says_host(match[1]):
            yield from (host for host in match[2].split(",") if not is_file(host))
    if "sqlserver" in text and (server := _sql_server(text)):
        yield server
    if "ccount" in text and (account := _ACCOUNT.search(text)):
        suffix = _SUFFIX.search(text)
        yield f"{account[1]}.blob.{suffix[1] if suffix else 'core.windows.net'}"


def _sql_server(text: str) -> str:
    """The one that the first URL of JDBC names which names one as a property."""
    for one in _APART.split(text):
        begun = _JDBC.search(one)
        if begun and (found := _SERVER.search(one, begun.end())):
            return found[1]
    return ""


def is_ipv6(text: str) -> bool:
    """Whether all of it is an IPv6 address, without brackets."""
    if text.count(":") < 2 or len(text) > 64 or _GUID.fullmatch(text):
        return False
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def is_file(name: str) -> bool:
    """Whether a dotted name ends as files do and no domain does."""
    return _FILES.fullmatch(name) is not None
