"""Where ingress-nginx sends requests by the URLs in an Ingress's annotations, variables of its own filled in.

And where AWS's load balancers send callers, requests and logs by theirs.

Guarantees: `$host` and `$server_name` are the hosts that the Ingress serves, each of them; where it serves any host
(a rule without one, a wildcard, a pattern among its aliases) they are whatever a caller writes. Any other variable in
the place of a host stays as it is, and names no host.
"""

import re
from collections.abc import Iterator

from policies.json import Json, JsonObject
from policies.workloads.catalogue.paths import member
from policies.workloads.catalogue.rows import below
from policies.workloads.catalogue.tables import table
from policies.workloads.names.images import listed
from policies.workloads.names.text import loaded
from policies.workloads.reach.addresses import Destination, destination

_SERVED = re.compile(r"\$(?:host|server_name)(?![A-Za-z0-9_])|\$\{(?:host|server_name)\}")
_ALIAS = "nginx.ingress.kubernetes.io/server-alias"
_ACTIONS = "alb.ingress.kubernetes.io/actions."
_LOGS = ("access_logs", "connection_logs", "health_check_logs")
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")  # a host that is one host


def nginx_destinations(ingress: JsonObject, path: str) -> Iterator[Destination]:
    """The hosts of its URLs, by the annotation that each stands in."""
    metadata = ingress.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict):
        return
    at = f"{path}.metadata.annotations" if path else "metadata.annotations"
    yield from _actions(annotations, at, "data")
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


def _actions(annotations: JsonObject, path: str, what: str) -> Iterator[Destination]:
    """Where actions of AWS's load balancers send: callers to another host, requests to targets of another region."""
    for key, text in annotations.items():
        if str(key).startswith(_ACTIONS) and isinstance(held := loaded(text), dict):
            host = below(held, ("redirectConfig", "host"))
            if isinstance(host, str) and host and not host.startswith("#{"):  # `#{host}` is the caller's own
                yield destination(member(path, key), kind="host", host=host, what=what)
            groups = listed(below(held, ("forwardConfig", "targetGroups")))
            for arn in [
                held.get("targetGroupARN"),
                *(one.get("targetGroupARN") for one in groups if isinstance(one, dict)),
            ]:
                if isinstance(arn, str) and arn:
                    region = ":".join(arn.split(":")[3:4])
                    yield destination(member(path, key), kind="vendor", provider="aws", region=region, what=what)


def log_destinations(text: str, path: str, what: str) -> Iterator[Destination]:
    """Buckets for the logs of AWS's load balancers, among attributes: `access_logs.s3.enabled=true,...`."""
    said = dict(one.strip().partition("=")[::2] for one in text.split(","))
    for log in _LOGS:
        if said.get(f"{log}.s3.enabled") == "true" and (bucket := said.get(f"{log}.s3.bucket")):
            yield destination(path, kind="bucket", bucket=bucket, provider="aws", what=what)
