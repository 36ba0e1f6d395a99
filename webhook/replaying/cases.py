"""From a log and its archive to cases that can be replayed, and why some can't.

Guarantees that every word of a case comes out of parts whose hashes stand in the leaf, opened with the region's private
key; whatever doesn't fit is an outcome of its own and never a case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import orjson

from audit.errors import RecordInvalid
from audit.leaves.record import opened_fields
from audit.leaves.tags import salted
from audit.reading import LoggedRecord
from audit.sealed.archive import PartChanged, PartErased, PartMissing
from audit.sealed.inputs import contents_of
from keymgmt.errors import EnvelopeInvalid, KeyDestroyed, KeyRevoked
from keymgmt.ports import Binding, Opener
from policies.consulted import Excerpt, ExcerptInvalid
from policies.decision import Inputs
from policies.json import Json
from policies.replaying import Case, Outcome, Replayed
from policies.request import Phase
from policies.snapshot import object_digest, ref_of
from webhook.log.whereabouts import Whereabouts
from webhook.reviews.review import ReviewMalformed, parse_review

_KEPT = 256  # opened parts in memory


class Parts(Protocol):
    """Where sealed parts are: `audit.sealed.archive.Archive`, or a database."""

    def get(self, digest: bytes) -> bytes:
        """The ciphertext. Raises PartMissing, PartErased, PartChanged."""
        ...


@dataclass(frozen=True, slots=True)
class Archived:
    """A case with the document of the rules that it was decided by."""

    case: Case
    rules: Mapping[str, Any]


class NotReplayable(Exception):
    """Why there is no case."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.replayed = Replayed(outcome, detail)


@dataclass(slots=True)
class Cases:
    """Makes cases of decision records, once `learn` has seen the whole log: what is shared, and what was erased."""

    archive: Parts
    opener: Opener
    jurisdiction: str  # of the keyring: what it sealed is bound to it
    _parts: dict[str, tuple[bytes, Binding]] = field(default_factory=dict)  # address of an input: its part
    _erased: set[bytes] = field(default_factory=set)
    _opened: dict[bytes, dict[bytes, Json]] = field(default_factory=dict)  # parts with inputs, by their hash

    def learn(self, record: LoggedRecord) -> None:
        """Take in one record of any kind."""
        schema = str(record.fields.get("schema", "")).partition("/")[0]
        if schema == "bailiwick.inputs":
            bound = self._bound(record.fields)
            for named in _named(record.fields):
                self._parts |= dict.fromkeys(record.fields["addresses"], (named, bound))
        elif schema == "bailiwick.erasure":
            self._erased.update(bytes.fromhex(one) for one in record.fields["sealed"])

    def case(self, fields: Mapping[str, Any]) -> Archived:
        """The case of a decision's leaf. Raises NotReplayable."""
        named = _named(fields)
        if len(named) != 1:
            raise NotReplayable(Outcome.UNREADABLE, f"the record names {len(named)} sealed parts, not one")
        own = self._fields(named[0], self._bound(fields))
        inputs, salt = own.get("inputs") or {}, bytes.fromhex(own.get("salt", ""))
        if "digests" not in inputs:
            raise NotReplayable(Outcome.UNREADABLE, "the record is of a form that archived no inputs but the review")
        decided = _inputs(fields, inputs["digests"], salt)
        if not decided.policies:
            codes = ", ".join(reason["code"] for reason in fields.get("reasons") or ())
            raise NotReplayable(Outcome.UNDECIDED, f"no rule decided: {codes}")
        if "snapshot" not in inputs or "rules" not in inputs:
            raise NotReplayable(Outcome.UNREADABLE, "the record's inputs were not archived")
        shared = self._shared(fields)
        rules = shared.get(bytes.fromhex(inputs["rules"]))
        if rules is None:
            raise NotReplayable(Outcome.MISSING, "the rules of then are not in the archive")
        return Archived(self._case(fields, own, decided, shared, salt), rules)

    def _case(
        self,
        fields: Mapping[str, Any],
        own: Mapping[str, Any],
        decided: Inputs,
        shared: Mapping[bytes, Json],
        salt: bytes,
    ) -> Case:
        document, review = own["inputs"]["snapshot"], own["inputs"]["review"]
        try:
            excerpt = Excerpt(document, shared)
            request = parse_review(orjson.dumps(review))
        except ExcerptInvalid as invalid:
            raise NotReplayable(Outcome.MISSING, str(invalid)) from invalid
        except ReviewMalformed as invalid:
            raise NotReplayable(Outcome.TAMPERED, f"the archived review can't be read: {invalid.message}") from invalid
        named = fields["digests"].get("decision", "")
        return Case(
            request=request,
            phase=Phase(fields["phase"]),
            now=datetime.fromisoformat(fields["time"]),
            excerpt=excerpt,
            inputs=decided,
            is_of=lambda digest: salted(salt, digest) == named,
            verdict=fields["verdict"],
            reasons=tuple((one["code"], one.get("policy", "")) for one in fields.get("reasons") or ()),
            withheld="withheld" in review,
        )

    def _shared(self, fields: Mapping[str, Any]) -> dict[bytes, Json]:
        """Every input that the leaf names by its address, each with the digest that its content has."""
        found: dict[bytes, Json] = {}
        for address in fields.get("inputs") or ():
            if address not in self._parts:
                raise NotReplayable(Outcome.MISSING, f"no record says where the input {address} lies")
            part, bound = self._parts[address]
            if part not in self._opened:
                if len(self._opened) > _KEPT:
                    self._opened.clear()
                self._opened[part] = _checked(self._fields(part, bound))
            found |= self._opened[part]
        return found

    def _bound(self, fields: Mapping[str, Any]) -> Binding:
        """What the parts that a leaf names are bound to."""
        where = Whereabouts(str(fields["cluster"]), str(fields["region"]), self.jurisdiction)
        return where.binding(str(fields.get("namespace", "")))

    def _fields(self, digest: bytes, bound: Binding) -> dict[str, Any]:
        """A part, opened. Raises NotReplayable."""
        try:
            sealed = self.archive.get(digest)
            return opened_fields(self.opener.open(sealed, bound))
        except (PartErased, PartMissing) as gone:
            if digest in self._erased:
                raise NotReplayable(Outcome.ERASED, "erased; the record stays verifiable") from gone
            raise NotReplayable(Outcome.MISSING, f"{gone}, and no record declares it erased") from gone
        except (KeyDestroyed, KeyRevoked) as gone:
            raise NotReplayable(Outcome.ERASED, str(gone)) from gone
        except (PartChanged, EnvelopeInvalid, RecordInvalid) as error:
            raise NotReplayable(Outcome.TAMPERED, str(error)) from error


def _named(fields: Mapping[str, Any]) -> list[bytes]:
    """The sealed parts that a leaf names."""
    written: Mapping[str, Any] = fields.get("written") or {}
    return [bytes.fromhex(part["sha256"]) for part in written.get("sealed", [])]


def _inputs(fields: Mapping[str, Any], named: Mapping[str, str], salt: bytes) -> Inputs:
    """The digests of then, each confirmed by the leaf. Raises NotReplayable where one isn't."""
    for name, digest in named.items():
        if salted(salt, bytes.fromhex(digest)) != fields["digests"].get(name):
            raise NotReplayable(Outcome.TAMPERED, f"the leaf doesn't confirm the digest of its {name}")
    plain = {name: bytes.fromhex(digest) for name, digest in named.items()}
    return Inputs(**plain, engine=str(fields.get("engine", "")))


def _checked(opened: Mapping[str, Any]) -> dict[bytes, Json]:
    """Inputs by the digests that they are known by; objects of the cluster by those that they really have."""
    try:
        contents = contents_of(opened)
        for digest, content in contents.items():
            if "rules" not in content and object_digest(ref_of(content), content) != digest:
                raise NotReplayable(Outcome.TAMPERED, f"the archived object {digest.hex()[:16]} has another digest")
    except (ValueError, KeyError, TypeError) as error:
        raise NotReplayable(Outcome.TAMPERED, f"an archived input can't be read: {error}") from error
    return contents
