"""Files that lie in an object as text: configurations, as programs read them, and scripts of shells.

Guarantees: never raises; linear in the text. A host counts where its field or directive says that it is one
(`endpoint`, `proxy_pass`, `Host`), a bucket by its scheme, and in a script what a program is told of; links in prose,
in dashboards, rules and schemas are nobody's destination. A region counts beside no host. Other code is not read.
"""

import re
from collections.abc import Iterator

from policies.json import Json
from policies.workloads.catalogue.structure import placed_texts
from policies.workloads.commands.arguments import is_open
from policies.workloads.names.text import loaded
from policies.workloads.names.written import is_file
from policies.workloads.reach.addresses import (
    HOST,
    Destination,
    as_variable,
    destination,
    hosts_told,
    is_outside,
    says_host,
)
from policies.workloads.reach.buckets import cloud_of
from policies.workloads.reach.contacts import script_destinations

_DEEPEST = 2  # files within files
_LONGEST = 1 << 17  # characters; a longer file is data
_PROSE = re.compile(
    r".*\.(?:md|txt|rst|html?|css|m?js|tsx?|svg|xml|xsd|py|ipynb|rb|lua|go|java|sql|csv|tsv|jsonl|crt|pem|key|pub|log"
    r"|j2|tmpl|tpl|gotmpl|gohtml|jinja2?|rego|cel|proto|graphql|patch|diff|asc|sum|lock)|LICENSE.*|README.*|NOTICE.*",
    re.IGNORECASE,
)
_SHELL = re.compile(r"#!\s*(?:/\S*/)?(?:env\s+)?(?:ba|da|a|z|k)?sh\b")
_SHELLS = (".sh", ".bash", ".zsh", ".ksh")
_ASIDE = re.compile(  # what names a page for people, a schema, or where it is reached itself
    r"(?:.*[_-])?(?:runbook|dashboard|docs?|documentation|help|homepage|home|icon|logo|license|schema|support|wiki|external"
    r"|public|advertised?|frontend|redirect|callback|site|issuer|generator|graph|root|source|repo|image|picture)_?"
    r"(?:ur[li]|host|address|domain)s?|listen.*|bind.*|server_names?|\$.*|(?:allowed|cors|virtual)_?hosts?",
    re.IGNORECASE,
)
_PLACES = frozenset(
    (
        "links",
        "annotations",
        "panels",
        "labels",
        "description",
        "templating",
        "listeners",
        "scrape_configs",
        "receivers",
    )
)
_DIRECTIVE = re.compile(r"\s*(?:-\s+)?[\"']?([A-Za-z][\w.-]*)[\"']?\s*(?:=>|[=:]|(?=\s))\s*(\S.*)")
_PASSES = re.compile(r"(?:proxy|fastcgi|uwsgi|scgi|grpc|memcached)_pass|proxyjump|forward", re.IGNORECASE)
_COMMENT = re.compile(r"\s*(?:[#;!%]|//|--|/\*|\*|<)")
_TOKENS = re.compile(r"[\s,;\"'`<>()\[\]{}]+")
_BUCKET = re.compile(r"\s*(?:s3[an]?|gs|gcs|abfss?|wasbs?|oss|cosn?|obs)://[^\s/]\S*\s*\Z")
_REGION = re.compile(r"(?:.*[._-])?region", re.IGNORECASE)


def file_destinations(name: str, text: str, path: str, what: str) -> Iterator[Destination]:
    """Where a file of that name leads; each host once. Without a name it is read by its form."""
    if len(text) > _LONGEST or _PROSE.fullmatch(name) or text.startswith("-----BEGIN"):
        return
    if text.startswith("#!") or name.endswith(_SHELLS):
        if name.endswith(_SHELLS) or _SHELL.match(text):
            yield from script_destinations(text, path)
        return
    held = _structure(text)
    hosts = list(dict.fromkeys(_lines(text) if held is None else _structured(held)))
    for host in hosts:
        yield destination(path, kind="host", host=host, what=what)
    if not hosts:
        for region in dict.fromkeys(_regions_of_lines(text) if held is None else _regions(held)):
            yield destination(path, kind="region", provider=cloud_of(region), region=region, what=what)


def _structure(text: str) -> Json:
    """The object or list that a text writes; None where it writes neither, and is read line by line."""
    held = loaded(text) if ":" in text else None
    return held if isinstance(held, dict | list) else None


def _structured(value: Json, depth: int = 0) -> Iterator[str]:
    for parts, name, text in placed_texts(value):
        if "\n" in text.strip() and depth < _DEEPEST and not _PROSE.fullmatch(name) and _PLACES.isdisjoint(parts):
            held = _structure(text)
            yield from _lines(text) if held is None else _structured(held, depth + 1)
        elif _BUCKET.match(text):
            yield text.strip()
        elif says_host(name) and not _ASIDE.fullmatch(as_variable(name)) and _PLACES.isdisjoint(parts):
            yield from (host for host in hosts_told(name, text.strip()) if not _is_filled_in(host))


def _lines(text: str) -> Iterator[str]:
    """Of directives: each line, and each part of one between braces and semicolons."""
    for line in map(str.rstrip, text.splitlines()):
        if _COMMENT.match(line):
            continue
        for part in re.split(r"[{}]|;(?=\s|$)", line):
            match = _DIRECTIVE.match(part.rstrip())
            if (
                match
                and (says_host(match[1]) or _PASSES.fullmatch(match[1]))
                and not _ASIDE.fullmatch(as_variable(match[1]))
            ):
                yield from _of_directive(match[1], match[2].partition(" #")[0])


def _of_directive(name: str, said: str) -> Iterator[str]:
    for token in _TOKENS.split(said):
        if "://" in token:
            yield from (host for host in hosts_told(name, token) if not _is_filled_in(host))
        elif "." in token and (match := HOST.fullmatch(token)) and not is_file(match[1]) and is_outside(token):
            yield token


def _is_filled_in(host: str) -> bool:
    """Whether it is a template's, or what a variable says."""
    return is_open(host) or "{{" in host


def _regions(value: Json) -> Iterator[str]:
    """Those beside no host: an endpoint says better where a store is."""
    found = list(placed_texts(value))
    hosts = {parts[:-1] for parts, name, text in found if text and says_host(name)}
    for parts, name, text in found:
        if parts[:-1] not in hosts and _REGION.fullmatch(as_variable(name)) and cloud_of(text):
            yield text


def _regions_of_lines(text: str) -> Iterator[str]:
    directives = [
        match
        for line in map(str.rstrip, text.splitlines())
        if not _COMMENT.match(line) and (match := _DIRECTIVE.match(line))
    ]
    if not any(says_host(match[1]) for match in directives):
        for match in directives:
            if _REGION.fullmatch(as_variable(match[1])):
                yield from (token for token in _TOKENS.split(match[2]) if cloud_of(token))
