"""Where ingress-nginx sends requests by the URLs in an Ingress's annotations, variables of its own filled in.

Guarantees: `$host` and `$server_name` are the hosts that the Ingress serves, each of them; where it serves any host
(a rule without one, a wildcard, a pattern among its aliases) they are whatever a caller writes. Any other variable in
the place of a host stays as it is, and names no host.
"""

import re
from collections.abc import Iterator

from policies.json import Json, JsonObject
from policies.workloads.addresses import Destination, destination
from policies.workloads.images import listed
from policies.workloads.paths import member
from policies.workloads.tables import table

_SERVED = re.compile(r"\$(?:host|server_name)(?![A-Za-z0-9_])|\$\{(?:host|server_name)\}")
_ALIAS = "nginx.ingress.kubernetes.io/server-alias"
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")  # a host that is one host


def nginx_destinations(ingress: JsonObject, path: str) -> Iterator[Destination]:
    """The hosts of its URLs, by the annotation that each stands in."""
    metadata = ingress.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict) or table("facts")["nginx_urls"].keys().isdisjoint(annotations):
        return
    at = f"{path}.metadata.annotations" if path else "metadata.annotations"
    for key, what in table("facts")["nginx_urls"].items():
        url = annotations.get(key)
        if isinstance(url, str) and url:
            for host in _filled(url, ingress.get("spec"), annotations):
                yield destination(member(at, key), kind="open" if host == "*" else "host", host=host, what=what)


def _filled(url: str, spec: Json, annotations: JsonObject) -> Iterator[str]:
    url = url.strip().replace("$request_uri", "/", 1)  # begins with a slash, whoever asks
    if _SERVED.search(url) is None:
        yield url
        return
    hosts = list(_served(spec, annotations))
    if hosts and all(_PLAIN.fullmatch(host) for host in hosts):
        yield from dict.fromkeys(_SERVED.sub(host, url) for host in hosts)
    else:
        yield "*"


def _served(spec: Json, annotations: JsonObject) -> Iterator[str]:
    """The hosts that requests may have come for, as written; empty for any."""
    held = spec if isinstance(spec, dict) else {}
    if "defaultBackend" in held:
        yield ""
    for rule in listed(held.get("rules")):
        host = rule.get("host") if isinstance(rule, dict) else None
        yield host if isinstance(host, str) else ""
    alias = annotations.get(_ALIAS)
    if alias is not None:
        yield from (one.strip() for one in alias.split(",")) if isinstance(alias, str) else ("",)
