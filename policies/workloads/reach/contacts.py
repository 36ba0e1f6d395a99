"""Hosts that a command line contacts: by a flag, as what a program sends to, as a file that shells connect to.

Guarantees: linear in the words, never raises; each host once for each element of the command that names it.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import END, Variables, Word, program, script_words
from policies.workloads.names.written import is_file
from policies.workloads.reach.addresses import COPIED, HOST, Destination, destination, is_outside, leads_to, may_lead
from policies.workloads.reach.repositories import remote_of_words, repository_of_words

_DEVICE = re.compile(r".*/dev/(?:tcp|udp)/([^/\s]+)")  # what shells connect to as if it were a file
_CARRYING = re.compile(  # names that carry data out
    r"(?=[^.]*[$)}`])[^.]*\.((?:[a-z0-9-]+\.)+[a-z]{2,})", re.IGNORECASE
)
_BUCKET = re.compile(r"s3[an]?://", re.IGNORECASE)
_ENDPOINTS = ("--endpoint-url", "--endpoint", "--s3-endpoint", "--s3-endpoint-url")
_NAME = 512  # characters of a name that carries something
_INSTEAD = ("--resolve", "--connect-to")
_READERS = {"restic": repository_of_words, "rclone": remote_of_words}
_WRITES = ("-o", "--output", "-O", "-T", "--upload-file", "-i", "--cacert", "--cert", "--key", "-out", "-in")  # files


def script_destinations(script: str, path: str) -> Iterator[Destination]:
    """Addresses of a command line that is one text, or of a script that isn't a container's."""
    yield from destinations_of_words(script_words(script, path, Variables()))


def destinations_of_words(words: list[Word], leading: Sequence[int] | None = None) -> Iterator[Destination]:
    """What a command line contacts. `leading` is where words stand that may say so, if somebody has looked."""
    seen: set[tuple[str, str]] = set()
    sends, senders, uploads = False, _senders(), _uploads()
    reads: Callable[[Sequence[Word], int], Iterator[Destination]] | None = None
    told: list[set[str]] = []
    for index in range(len(words)) if leading is None else leading:
        text, path = words[index]
        before = words[index - 1][0] if index else ""
        if text in uploads and (row := uploads[text].get(program(before))):
            told = told or _flags(words)
            if host := _uploaded(row, told[index]):
                yield destination(path, kind="vendor", host=host, what="data")
        if text == END:
            reads = None
        elif reads is not None:
            yield from reads(words, index)
        else:
            reads = _READERS.get(program(text))
        if "." in text or ":" in text or "/dev/" in text:
            if "://" in text and _BUCKET.match(text):  # where its command asks a store, the bucket is there
                told = told or _flags(words)
                if not told[index].isdisjoint(_ENDPOINTS):
                    continue
            for one in _word(text, path, before, sends=sends):
                if (path, one["host"]) not in seen:
                    seen.add((path, one["host"]))
                    yield one
        sends = text != END and (sends or (program(text) if "/" in text else text) in senders)


@cache
def sending_names() -> frozenset[str]:
    """Programs that send to a host that they are given, and commands by which some send to one that they know."""
    return frozenset([*_senders(), *_uploads(), *_READERS])


@cache
def _senders() -> frozenset[str]:
    """Programs that send something to the host that they are given."""
    return frozenset(table("facts")["senders"])


@cache
def _uploads() -> dict[str, dict[str, Any]]:
    """Where the commands of programs send to that name no host: by command, then by program."""
    found: dict[str, dict[str, Any]] = {}
    for name, row in table("facts")["uploads"].items():
        for verb in row["commands"]:
            found.setdefault(verb, {})[name] = row
    return found


def _uploaded(row: Mapping[str, Any], flags: Container[str]) -> str:
    """Where a command sends to, unless one of its flags says otherwise; empty then."""
    return "" if any(one in flags for one in row.get("unless", ())) else str(row["host"])


def _word(text: str, path: str, before: str, *, sends: bool) -> Iterable[Destination]:
    """What one word of a command line names: a URL, the host that a flag asks for, the host that a program sends to."""
    flagged = text[:1] == "-"
    if before in _INSTEAD:
        return [one for host in _instead(before, text) for one in _reached(host, path)]
    name, _, value = text.partition("=") if flagged else (before, "", text)
    if "://" in text:
        return leads_to(name, value if _is_flag(name) else text, path)
    match = ("/dev/" in text and _DEVICE.match(text)) or ("@" in text and COPIED.fullmatch(text))
    if match and (found := _reached(match[1], path)):
        return found
    if sends and text[:2] == "-h" and (match := HOST.fullmatch(text[2:])):  # of clients of databases
        return _reached(match[1], path)
    if sends and len(text) < _NAME and ("$" in text or "$" in before) and (match := _CARRYING.fullmatch(text)):
        return _reached(match[1], path)
    if sends and text[:2] == "//":  # a share
        text = value = text[2:]
    if sends and not flagged and (match := HOST.fullmatch(text)) and before not in _WRITES and not is_file(match[1]):
        return _reached(match[1], path)
    if name[:1] != "-" or value[:1] in ("-", ".", "/", ":"):
        return leads_to("", text, path) if may_lead("", text) else ()
    name = name.lstrip("-")
    return leads_to(name, value, path) if may_lead(name, value) else ()


def _flags(words: Sequence[Word]) -> list[set[str]]:
    """For each word, the names of the flags of its command."""
    found: list[set[str]] = []
    flags: set[str] = set()
    for text, _ in words:
        if text == END:
            flags = set()
        elif text[:1] == "-":
            flags.add(text.partition("=")[0])
        found.append(flags)
    return found


def _is_flag(name: str) -> bool:
    """Whether nothing in what stands before a value could be an address itself."""
    return name[:1] == "-" and "." not in name and ":" not in name


def _instead(flag: str, text: str) -> Sequence[str]:
    """Where curl is told to go instead: `name:port:address,address` or `name:port:host:port`."""
    said = text.split(":", 2)
    if len(said) < 3:
        return ()
    return said[2].split(",") if flag == "--resolve" else [said[2].rpartition(":")[0]]


def _reached(host: str, path: str) -> Sequence[Destination]:
    return [destination(path, kind="host", host=host, what="data")] if is_outside(host) else ()
