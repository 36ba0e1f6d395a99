"""What a decision really read of a snapshot: noted while it is made, written down, and read back for its replay.

Guarantees that an `Excerpt` answers every question of that decision as the snapshot did, under the snapshot's own
digest; whatever else it is asked, it doesn't know. Objects stand in it by their digests: their bytes are kept once,
elsewhere, for all decisions that read them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.json import Json
from policies.snapshot import (
    Absent,
    Answer,
    Authorization,
    Evidence,
    Lookup,
    MemorySnapshot,
    Pending,
    Query,
    Question,
    Ref,
    Snapshot,
    Unknown,
    object_digest,
    ref_of,
)

Objects = Mapping[bytes, Json]  # by `object_digest`
Document = Mapping[str, Any]
_EACH = 256  # bytes of an entry without its names
_NOT_RECORDED = "not read by the recorded decision, so not in its record"


class ExcerptInvalid(Exception):
    """The document is no excerpt, or names objects that aren't there."""


@dataclass(frozen=True, slots=True)
class Read:
    """One object that was read, and its digest."""

    ref: Ref
    digest: bytes
    found: Json


@dataclass(frozen=True, slots=True)
class Notes:
    """What was read of a snapshot, and what it gave. Doesn't hold the snapshot itself."""

    gets: dict[Ref, Json | Absent | Unknown] = field(default_factory=dict)
    lists: dict[Query, Sequence[Json] | Unknown] = field(default_factory=dict)
    answers: dict[Question, Answer | Pending] = field(default_factory=dict)

    def hold_in(self, snapshot: Snapshot) -> bool:
        """Whether another snapshot gives the same for all of it. Reads all of it there."""
        return (
            all(_same(snapshot.get(ref), found) for ref, found in self.gets.items())
            and all(_same(snapshot.list(query), found) for query, found in self.lists.items())
            and all(snapshot.answer(question) == found for question, found in self.answers.items())
        )

    @property
    def weight(self) -> int:
        """About the bytes that they hold beside the objects, which the snapshot itself holds as long as they live."""
        asked = sum(_EACH + 2 * (len(ref.namespace) + len(ref.name)) for ref in self.gets)
        return asked + sum(len(repr(one)) for one in self.answers.items()) if self.answers else asked


class Consulted:
    """A snapshot that notes what is read of it. One for each call of `decide`."""

    __slots__ = ("_snapshot", "notes")

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.notes = Notes()

    @property
    def digest(self) -> bytes:
        return self._snapshot.digest

    def get(self, ref: Ref) -> Json | Absent | Unknown:
        found = self.notes.gets[ref] = self._snapshot.get(ref)
        return found

    def list(self, query: Query) -> Sequence[Json] | Unknown:
        found = self.notes.lists[query] = self._snapshot.list(query)
        return found

    def answer(self, question: Question) -> Answer | Pending:
        found = self.notes.answers[question] = self._snapshot.answer(question)
        return found

    def reads(self) -> Iterator[Read]:
        """Every object that was read, each once."""
        given: set[Ref] = set()
        for ref, found in self.notes.gets.items():
            if not isinstance(found, Absent | Unknown):
                given.add(ref)
                yield Read(ref, self._digest(ref, found), found)
        for listed in self.notes.lists.values():
            for found in () if isinstance(listed, Unknown) else listed:
                ref = ref_of(found)
                if ref not in given:
                    given.add(ref)
                    yield Read(ref, self._digest(ref, found), found)

    def document(self, reads: Iterable[Read] | None = None) -> dict[str, Any]:
        """What was read as JSON: objects by their digests, answers whole. Empty parts are left out.

        `reads`, where the caller has them already.
        """
        gets, notes = self.notes.gets, self.notes
        parts: dict[str, Any] = {
            "objects": [[*_names(read.ref), read.digest.hex()] for read in (self.reads() if reads is None else reads)],
            "absent": [_names(ref) for ref, found in gets.items() if isinstance(found, Absent)],
            "unknown": [[*_names(ref), found.missing] for ref, found in gets.items() if isinstance(found, Unknown)],
            "lists": [self._listed(query, found) for query, found in notes.lists.items()],
            "answers": [[_asked(question), _answered(found)] for question, found in notes.answers.items()],
        }
        return {"digest": self.digest.hex(), **{name: part for name, part in parts.items() if part}}

    def _listed(self, query: Query, found: Sequence[Json] | Unknown) -> Json:
        asked = [query.group, query.kind, query.namespace]
        if isinstance(found, Unknown):
            return [asked, {"unknown": found.missing}]
        return [asked, [self._digest(ref_of(one), one).hex() for one in found]]

    def _digest(self, ref: Ref, found: Json) -> bytes:
        known = self._snapshot.digest_of(ref) if isinstance(self._snapshot, MemorySnapshot) else None
        return known or object_digest(ref, found)


class Excerpt:
    """What `Consulted.document` wrote down, as a snapshot."""

    def __init__(self, document: Document, objects: Objects) -> None:
        """Raises ExcerptInvalid where the document is malformed or an object that it names is missing."""
        try:
            self._digest = bytes.fromhex(document["digest"])
            self._gets: dict[Ref, Json | Absent | Unknown] = {}
            for *names, digest in document.get("objects", ()):
                self._gets[Ref(*names)] = objects[bytes.fromhex(digest)]
            self._gets.update({Ref(*names): Absent() for names in document.get("absent", ())})
            for *names, missing in document.get("unknown", ()):
                self._gets[Ref(*names)] = Unknown(missing)
            self._lists = {Query(*asked): _list_of(found, objects) for asked, found in document.get("lists", ())}
            answers = ((_question(asked), found) for asked, found in document.get("answers", ()))
            self._answers = {question: _answer(question, found) for question, found in answers}
        except KeyError as missing:
            raise ExcerptInvalid(f"the excerpt needs {_named(missing.args[0])}, which isn't there") from missing
        except (TypeError, ValueError, AttributeError) as error:
            raise ExcerptInvalid(f"the excerpt can't be read: {error}") from error

    @property
    def digest(self) -> bytes:
        """That of the whole snapshot, as it was recorded: an excerpt can't compute it."""
        return self._digest

    def get(self, ref: Ref) -> Json | Absent | Unknown:
        return self._gets.get(ref, Unknown(f"{ref}: {_NOT_RECORDED}"))

    def list(self, query: Query) -> Sequence[Json] | Unknown:
        return self._lists.get(query, Unknown(f"objects of kind {query.kind}: {_NOT_RECORDED}"))

    def answer(self, question: Question) -> Answer | Pending:
        found = self._answers.get(question)
        if found is not None:
            return found
        asked = str(question.ref) if isinstance(question, Lookup) else "an answer"
        return Answer(Unknown(f"{asked}: {_NOT_RECORDED}"))


def _same(now: object, then: object) -> bool:
    """Snapshots of one cluster share what hasn't changed, so most is the same object and costs no comparison."""
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_same, now, then))
    return now is then or now == then


def _names(ref: Ref) -> list[str]:
    return [ref.group, ref.kind, ref.namespace, ref.name]


def _asked(question: Question) -> dict[str, Any]:
    match question:
        case Lookup(ref):
            return {"lookup": _names(ref)}
        case Authorization(attributes):
            return {"authorization": attributes.decode()}
        case Evidence(reference):
            return {"evidence": reference}


def _question(asked: Mapping[str, Any]) -> Question:
    match asked:
        case {"lookup": names}:
            return Lookup(Ref(*names))
        case {"authorization": attributes}:
            return Authorization(attributes.encode())
        case {"evidence": reference}:
            return Evidence(reference)
    raise ValueError("an unknown kind of question")


def _answered(found: Answer | Pending) -> dict[str, Any]:
    if isinstance(found, Pending):
        return {"pending": True}
    match found.value:
        case Absent():
            return {"absent": True}
        case Unknown(missing):
            return {"unknown": missing}
        case value:
            return {"value": value}


def _answer(question: Question, found: Mapping[str, Any]) -> Answer | Pending:
    match found:
        case {"pending": True}:
            return Pending(question)
        case {"absent": True}:
            return Answer(Absent())
        case {"unknown": missing}:
            return Answer(Unknown(missing))
        case {"value": value}:
            return Answer(value)
    raise ValueError("an unknown kind of answer")


def _list_of(found: Json, objects: Objects) -> Sequence[Json] | Unknown:
    if isinstance(found, dict):
        return Unknown(found["unknown"])
    return [objects[bytes.fromhex(digest)] for digest in found]


def _named(key: object) -> str:
    return f"the object {key.hex()[:16]}" if isinstance(key, bytes) else f"`{key}`"
