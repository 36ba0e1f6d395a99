"""Where a host or a registry is, by what the ClusterProfile declares, else by its name where the provider's names tell.

A name is evidence of a region only where the provider spells it right before its own domain; what stands further left
may be chosen by a customer (a bucket called `x.eu-central-1`) and proves nothing. DNS is not asked.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from policies.geography.geography import Geography
from policies.geography.globs import glob_fits
from policies.geography.inside import DOMAIN, inside
from policies.geography.located import Located
from policies.geography.networks import is_within
from policies.geography.regions import pattern
from policies.json import JsonObject
from policies.remembered import remembered

_LABEL = "[a-z0-9_-]+"
_LONGEST = 253  # characters of a DNS name
_MOVES = "is an address, and addresses move: name a host, or the cluster's own networks in `spec.networks`, or"
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_-])?", re.ASCII)
_ADDRESSES = re.compile(r"(?:[0-9]+\.[.0-9*]*|[0-9a-f*]*:[0-9a-f:*]*)")  # a glob that is meant for addresses
_V4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
_COLONS = re.compile(
    r"(?=[^:]*:[^:]*:)[0-9a-f:.]+(?:%[^\s/]*)?", re.IGNORECASE
)  # IPv6 as it is written without brackets


def place_of_host(reference: str, geography: Geography) -> Located:
    """`reference` is a host name, with or without scheme, port and path. Names are matched without case."""
    return locate(reference, geography, "hosts", (geography.regions.hosts,))


def place_of_registry(reference: str, geography: Geography) -> Located:
    """As `place_of_host`, for a reference that starts with a registry's name (`docker.io/team/image`).

    The profile's `registries` are asked, not its `hosts`; of the data, registries come before other hosts.
    """
    return locate(reference, geography, "registries", (geography.regions.registries, geography.regions.hosts))


def host_of(reference: str) -> str:
    """The host of a reference, in lower case, or empty: `https://user@Host:443/path` gives `host`, `[::2]:80` `::2`."""
    return _split(reference)[1]


def declared_host(reference: str, geography: Geography, group: str) -> JsonObject | None:
    """The first entry whose glob fits.

    A glob is held against the host alone, unless it has a path (then against `host/path`) or a scheme (then against
    `scheme://host/path`): `*.example.com` must not fit a path that ends in it. A path that could lead elsewhere than
    it says (`..`, `%`) fits no glob that has one. A glob of addresses (`10.42.*`) fits no name that begins like one.
    """
    scheme, host, path = _split(reference)
    straight = ".." not in path and "%" not in path
    named = not _V4.fullmatch(host) and not _COLONS.fullmatch(host)
    for entry in geography.declarations(group):
        glob = entry["match"]
        if named and glob[:1].isalnum() and _for_addresses(glob):
            continue
        if "/" not in glob:
            fits = glob_fits(glob.lower(), host)
        else:
            fits = straight and glob_fits(glob, f"{scheme}://{host}{path}" if "://" in glob else host + path)
        if fits:
            return entry
    return None


def _for_addresses(glob: str) -> bool:
    """Whether a glob is written for addresses: nothing but their digits before its path."""
    return _ADDRESSES.fullmatch(glob.rpartition("://")[2].partition("/")[0].lower()) is not None


def _split(reference: str) -> tuple[str, str, str]:
    """Scheme, host and the rest. A backslash ends the host, as browsers read it; others refuse it."""
    scheme, found, rest = reference.partition("://")
    if not found:
        scheme, rest = "", reference
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    path, host = rest[len(authority) :], authority.rpartition("@")[2]
    if host.startswith("["):
        return scheme.lower(), host.partition("]")[0].removeprefix("[").lower(), path
    if _COLONS.fullmatch(host):
        return scheme.lower(), host.lower(), path
    return scheme.lower(), host.partition(":")[0].removesuffix(".").lower(), path


def locate(reference: str, geography: Geography, group: str, tables: Sequence[Sequence[Mapping[str, Any]]]) -> Located:
    """By the profile's list of that name, then by the tables of the data in their order."""
    declared = declared_host(reference, geography, group)
    if declared is not None:
        return Located(geography.by_code(declared["place"]), f"the ClusterProfile declares `{declared['match']}`")
    host = host_of(reference)
    declare = f"declare it in `spec.{group}` of the ClusterProfile"
    if within := inside(host[: _LONGEST + 1], domain_of(geography)):
        return Located(None, f"`{host}` {within}, which may stand for anything: {declare}", inside=True)
    if odd := _no_name(host):
        if geography.networks and is_within(host, geography.networks):
            return Located(None, f"`{host}` is an address of this cluster's pods and services", inside=True)
        return Located(None, f"`{host[:_LONGEST]}` {odd} {declare}")
    for rows in tables:
        found = _by_name(host, rows, geography)
        if isinstance(found, Located):
            return found
        if found is not None:
            return Located(None, f"`{host}` has no one place ({found}): name another, or declare it in `spec.{group}`")
    return Located(None, f"nothing says where `{host}` is: {declare}")


def domain_of(geography: Geography) -> str:
    """The DNS domain of the cluster's services."""
    return (geography.profile or {}).get("domain") or DOMAIN


def _no_name(host: str) -> str:
    if len(host) <= _LONGEST and _COLONS.fullmatch(host):
        return _MOVES
    if len(host) > _LONGEST or not _HOST.fullmatch(host):
        return "is no host name:"
    if host.rpartition(".")[2].isdigit():
        return _MOVES
    return ""


def _by_name(host: str, rows: Sequence[Mapping[str, Any]], geography: Geography) -> Located | str | None:
    """The first row that gives a place; else what the first row says that knows why there is none."""
    ending = ".".join(host.rsplit(".", 2)[-2:])
    spans: str | None = None
    for row in rows:
        if not row["match"].endswith(ending):
            continue
        match = pattern(_regex(row["match"])).match(host)
        if match is None:
            continue
        if "spans" in row:
            spans = spans or row["spans"]
            continue
        region = match["region"]
        place = geography.place(row["provider"], row.get("regions", {}).get(region, region))
        if place is not None:
            return Located(place, f"`{host}` is named after region `{region}` of {row['provider']}")
    return spans


@remembered(1024)
def _regex(match: str) -> str:
    """From the patterns of the data: `**.` any labels, `*` one label or part of one, `{region}` likewise."""
    text = re.escape(match).replace(r"\{region\}", f"(?P<region>{_LABEL})")
    text = re.sub(r"^\\\*\\\*\\\.", rf"(?:{_LABEL}\\.)*", text)
    return text.replace(r"\*", _LABEL)
