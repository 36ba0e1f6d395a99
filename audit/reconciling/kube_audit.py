"""Reads kube-apiserver's own audit log (audit.k8s.io/v1, a JSON object a line): what it says about our webhooks.

Every byte of it is somebody else's: a line that is no event is given back as such, and never raises. A last line
without an end is one that the API server is writing just now. Files that the API server has compressed after a rotation
(gzip) are read as they are.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

# Both spellings are the API server's: the prefix of each kind of webhook is what its own package calls it.
_FAILED_OPEN = re.compile(r"failed-open\.(?:validating|validation|mutating|mutation)\.webhook\.admission\.k8s\.io/.+")
OPERATIONS: Mapping[str, str] = {
    "create": "CREATE",
    "update": "UPDATE",
    "patch": "UPDATE",
    "delete": "DELETE",
    "deletecollection": "DELETE",
    "connect": "CONNECT",
}
LONGEST = 32 << 20  # bytes of a line: an event with both of its objects has a tenth of it
DOORS: Mapping[str, str] = {"mutate": "mutate", "fail": "validate-fail", "ignore": "validate-ignore"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one of our webhooks said, as the API server noted it."""

    webhook: str
    decision: str  # id
    verdict: str
    index: int | None  # of the leaf; a dry run and an answer without a record have none

    @property
    def phase(self) -> str:
        """The door that was asked."""
        return DOORS.get(self.webhook.partition(".")[0], "")


@dataclass(frozen=True, slots=True)
class KubeEvent:
    """A request as the API server saw it end, or begin to answer."""

    audit_id: str
    line: int
    received: datetime
    finished: datetime
    verb: str
    resource: str  # with its group and subresource
    namespace: str
    name: str
    code: int  # of the response; 0 when it isn't said
    dry_run: bool
    answers: tuple[Answer, ...]
    failed_open: tuple[str, ...]  # our webhooks that were not reached, and whose failure let the request pass

    def about(self) -> str:
        """The request in a few words."""
        where = f"{self.namespace}/{self.name}".strip("/")
        return f"{self.verb} {self.resource} `{where}`"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no event."""

    line: int
    reason: str


def read_events(path: Path, suffix: str) -> Iterator[KubeEvent | Unreadable]:
    """The events of a file; of ours are the webhooks whose name ends in `.` and `suffix`. Raises OSError."""
    number = 0
    for number, line in enumerate(_lines(path), 1):
        if isinstance(line, Unreadable):
            yield replace(line, line=number)
        elif line.strip():
            try:
                value = orjson.loads(line)
                items = value["items"] if value.get("kind") == "EventList" else [value]
                found = [_event(item, number, suffix) for item in items]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                if line.endswith(b"\n"):
                    yield Unreadable(number, f"is no audit event: {_told(error)}")
                continue
            yield from (event for event in found if event is not None)


def _told(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no `{error.args[0]}`"
    return "it is no JSON object" if isinstance(error, AttributeError) else str(error)


def _lines(path: Path) -> Iterator[bytes | Unreadable]:
    """The file's lines with their ends; what is too long, or damaged where it was compressed, is said in its place."""
    with path.open("rb") as plain:
        is_packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        file = gzip.GzipFile(fileobj=plain) if is_packed else plain
        try:
            while line := file.readline(LONGEST):
                if len(line) < LONGEST or line.endswith(b"\n"):
                    yield line
                    continue
                while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                    pass
                yield Unreadable(0, f"is longer than {LONGEST >> 20} MiB")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            yield Unreadable(0, f"can't be unpacked: {error}")


def _event(item: Mapping[str, Any], line: int, suffix: str) -> KubeEvent | None:
    """The event, None for a stage in which nothing was decided yet."""
    if item["stage"] == "RequestReceived":
        return None
    about: Mapping[str, Any] = item.get("objectRef") or {}
    annotations: Mapping[str, Any] = item.get("annotations") or {}
    resource = f"{about.get('resource', '')}.{about.get('apiGroup', '')}".strip(".")
    subresource = about.get("subresource", "")
    return KubeEvent(
        audit_id=str(item["auditID"]),
        line=line,
        received=_time(item["requestReceivedTimestamp"]),
        finished=_time(item["stageTimestamp"]),
        verb=str(item["verb"]),
        resource=f"{resource}/{subresource}" if subresource else resource,
        namespace=str(about.get("namespace", "")),
        name=str(about.get("name", "")),
        code=int((item.get("responseStatus") or {}).get("code", 0)),
        dry_run="dryRun=All" in str(item.get("requestURI", "")),
        answers=tuple(_answers(annotations, suffix)),
        failed_open=tuple(_failed_open(annotations, suffix)),
    )


def _answers(annotations: Mapping[str, Any], suffix: str) -> Iterator[Answer]:
    for key, value in annotations.items():
        webhook, _, word = key.rpartition("/")
        if word == "decision-id" and webhook.endswith(f".{suffix}"):
            index = str(annotations.get(f"{webhook}/leaf-index", ""))
            known = int(index) if index.isascii() and index.isdecimal() else None
            yield Answer(webhook, str(value), str(annotations.get(f"{webhook}/verdict", "")), known)


def _failed_open(annotations: Mapping[str, Any], suffix: str) -> Iterator[str]:
    for key, value in annotations.items():
        if _FAILED_OPEN.fullmatch(key) and str(value).endswith(f".{suffix}"):
            yield str(value)


def _time(text: Any) -> datetime:
    found = datetime.fromisoformat(text)
    if not 1970 <= found.year < 9999:
        raise ValueError(f"the year {found.year} is none of an audit log")
    return found if found.tzinfo else found.replace(tzinfo=UTC)
