"""What is known of the cluster at one moment: immutable, with a digest kept up incrementally.

What a snapshot doesn't hold is `Unknown`, never absent: absence is claimed only for kinds it holds completely.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Protocol

from policies.json import Json, JsonObject, canonical
from policies.remembered import remembered


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One object of the cluster. `namespace` is empty for cluster-scoped kinds."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} `{self.namespace + '/' if self.namespace else ''}{self.name}`"


@dataclass(frozen=True, slots=True)
class Query:
    """All objects of one kind; of one namespace when `namespace` is not empty."""

    group: str
    kind: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """The snapshot is sure: no such object."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The snapshot can't tell. `missing` says what to add to it, in words for a person."""

    missing: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """A question: what is this object, now?"""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Authorization:
    """A question: may this subject do that? The attributes of a SubjectAccessReview, canonically encoded."""

    attributes: bytes


@dataclass(frozen=True, slots=True)
class Evidence:
    """A question: what does the registry hold about this subject? (referrers of an image or model)"""

    reference: str


Question = Lookup | Authorization | Evidence


@dataclass(frozen=True, slots=True)
class Answer:
    """What I/O found. `value` may itself be `Absent` or `Unknown`: then nobody can say more."""

    value: Json | Absent | Unknown


@dataclass(frozen=True, slots=True)
class Pending:
    """Not asked yet: the rim can resolve `question` and call again."""

    question: Question


class Snapshot(Protocol):
    """Immutable; two snapshots with equal digests answer everything equally."""

    @property
    def digest(self) -> bytes: ...

    def get(self, ref: Ref) -> Json | Absent | Unknown: ...

    def list(self, query: Query) -> Sequence[Json] | Unknown: ...

    def answer(self, question: Question) -> Answer | Pending: ...


def lookup(snapshot: Snapshot, ref: Ref) -> Json | Absent | Unknown | Pending:
    """The object, or what is known of its absence; `Pending` when I/O could still tell."""
    found = snapshot.get(ref)
    if not isinstance(found, Unknown):
        return found
    answer = snapshot.answer(Lookup(ref))
    return answer if isinstance(answer, Pending) else answer.value


_WHOLE = (("resource.k8s.io", "DeviceClass"),)
_BUCKETS = 256  # an update rehashes one bucket and the root, not everything


@dataclass(frozen=True)
class MemorySnapshot:
    """A snapshot in memory: from watches, manifests, a dump, or the archive.

    `complete` names the (group, kind) pairs it holds completely. `live` says that a resolver stands behind it: then an
    unanswered question is `Pending`, otherwise it is answered with `Unknown`; and since a watch lags behind, what a
    live snapshot doesn't hold is asked for before anybody calls it absent.
    """

    objects: Mapping[tuple[str, str], Mapping[tuple[str, str], Json]] = field(default_factory=dict)
    complete: frozenset[tuple[str, str]] = frozenset()
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    live: bool = False
    _digests: tuple[Mapping[Ref, bytes], ...] = ({},) * _BUCKETS

    @classmethod
    def of(
        cls, objects: Iterable[JsonObject], complete: Iterable[tuple[str, str]] = (), *, live: bool = False
    ) -> "MemorySnapshot":
        empty = cls(complete=frozenset(complete), live=live)
        return empty.with_objects(objects)

    @cached_property
    def digest(self) -> bytes:
        root = sha256(b"bailiwick/snapshot/v1\0")
        for bucket in self._digests:
            root.update(b"".join(bucket[ref] for ref in sorted(bucket)) or b"\0")
            root.update(b"\xff")
        for group, kind in sorted(self.complete):
            root.update(f"{group}/{kind}\0".encode())
        for question in sorted(self.answers, key=repr):
            root.update(repr((question, self.answers[question])).encode())
        return root.digest()

    def digest_of(self, ref: Ref) -> bytes | None:
        """`object_digest` of an object that is held, without computing it."""
        return self._digests[_bucket_of(ref)].get(ref)

    def get(self, ref: Ref) -> Json | Absent | Unknown:
        known = self.objects.get((ref.group, ref.kind), {})
        found = known.get((ref.namespace, ref.name))
        if found is not None:
            return found
        if (ref.group, ref.kind) in self.complete and not self.live:
            return Absent()
        return Unknown(str(ref))

    def list(self, query: Query) -> Sequence[Json] | Unknown:
        if (query.group, query.kind) not in self.complete:
            return Unknown(f"all objects of kind {query.kind}")
        known = self.objects.get((query.group, query.kind), {})
        return [known[key] for key in sorted(known) if query.namespace in ("", key[0])]

    def answer(self, question: Question) -> Answer | Pending:
        answer = self.answers.get(question)
        if answer is not None:
            return answer
        if self.live:
            return Pending(question)
        missing = str(question.ref) if isinstance(question, Lookup) else f"an answer to {question}"
        return Answer(Unknown(missing))

    def with_objects(self, objects: Iterable[JsonObject]) -> "MemorySnapshot":
        changed = {ref_of(found): found for found in objects}
        return self._with(changed)

    def without(self, refs: Iterable[Ref]) -> "MemorySnapshot":
        return self._with(dict.fromkeys(refs))

    def with_answers(self, answers: Mapping[Question, Answer]) -> "MemorySnapshot":
        return replace(self, answers={**self.answers, **answers})

    def completing(self, kinds: Iterable[tuple[str, str]]) -> "MemorySnapshot":
        return replace(self, complete=self.complete | frozenset(kinds))

    def written_down(self) -> "MemorySnapshot":
        """As files describe a cluster: of kinds that can only be asked for as a whole, what stands there is all."""
        return self.completing(kind for kind in _WHOLE if self.objects.get(kind))

    def _with(self, changed: Mapping[Ref, Json | None]) -> "MemorySnapshot":
        objects = {kind: self.objects[kind] for kind in self.objects}
        buckets = list(self._digests)
        fresh_kinds: set[tuple[str, str]] = set()
        fresh_buckets: set[int] = set()
        for ref, found in changed.items():
            kind, key, index = (ref.group, ref.kind), (ref.namespace, ref.name), _bucket_of(ref)
            if kind not in fresh_kinds:
                objects[kind] = dict(objects.get(kind, {}))
                fresh_kinds.add(kind)
            if index not in fresh_buckets:
                buckets[index] = dict(buckets[index])
                fresh_buckets.add(index)
            _put(objects[kind], key, found)
            _put(buckets[index], ref, None if found is None else object_digest(ref, found))
        return replace(self, objects=objects, _digests=tuple(buckets))


def ref_of(found: JsonObject) -> Ref:
    """Where an object stands. Raises KeyError for something that is no Kubernetes object."""
    group, _, _ = found["apiVersion"].rpartition("/")
    metadata = found["metadata"]
    return Ref(group, found["kind"], metadata.get("namespace") or "", metadata["name"])


def object_digest(ref: Ref, found: Json) -> bytes:
    """SHA-256 over the object's reference and its canonical JSON."""
    return sha256(repr(ref).encode() + b"\0" + canonical(found)).digest()


def _bucket_of(ref: Ref) -> int:
    return _bucket((ref.group, ref.kind, ref.namespace, ref.name))


@remembered(1 << 14)  # asked for with every decision that read the object
def _bucket(names: tuple[str, str, str, str]) -> int:
    return sha256(repr(Ref(*names)).encode()).digest()[0]


def _put(target, key, value) -> None:  # type: ignore[no-untyped-def]
    if value is None:
        target.pop(key, None)
    else:
        target[key] = value
