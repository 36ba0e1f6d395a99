"""What a decision's fields become: a record and a sealed part at once, or a draft that the log's process finishes.

Both give the same leaf and the same plaintext; the difference is whose time it takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import orjson

from audit.leaves.record import Draft, Input, Record, Unsealed, decision_record, deflated
from audit.leaves.shapes import time_text
from audit.ports import Envelope
from keymgmt.ports import Binding, Sealer

PURPOSE = "audit-archive"

Formed = tuple[Record | Draft, Sequence[Envelope | Unsealed]]


class Form(Protocol):
    """Fields of the leaf, the part's plaintext, the namespace that it is bound to, and the inputs that both name."""

    def __call__(self, fields: dict[str, object], part: bytes, tenant: str, needs: tuple[Input, ...]) -> Formed: ...


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Whose records these are."""

    cluster: str
    region: str  # whose keys sign and seal
    jurisdiction: str  # the region's, part of what an envelope is bound to

    def binding(self, namespace: str) -> Binding:
        """What a sealed part of that namespace is bound to; empty for the cluster itself."""
        return Binding(self.region, self.jurisdiction, PURPOSE, self.cluster, namespace)


class AtOnce:
    """Checked, deflated and sealed here. Raises RecordInvalid, and what the sealer raises."""

    def __init__(self, where: Whereabouts, sealer: Sealer) -> None:
        self._where = where
        self._sealer = sealer

    def __call__(self, fields: dict[str, object], part: bytes, tenant: str, needs: tuple[Input, ...]) -> Formed:
        record = decision_record(fields)
        return replace(record, needs=needs) if needs else record, (self.seal(deflated(part), tenant),)

    def seal(self, plain: bytes, tenant: str) -> Envelope:
        """A part sealed to the region's public key. Raises what the sealer raises."""
        return self._sealer.seal(plain, self._where.binding(tenant))


def later(fields: Mapping[str, object], part: bytes, tenant: str, needs: tuple[Input, ...]) -> Formed:
    """Left to a log that finishes drafts (`audit.leaves.drafts`), in a process of its own."""
    moment = fields["time"]
    assert isinstance(moment, datetime)
    plain = orjson.dumps({**fields, "time": time_text(moment)})
    return Draft("decision", plain, needs), (Unsealed(part, tenant),)
