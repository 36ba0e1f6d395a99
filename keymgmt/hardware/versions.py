"""What a token holds and its register says, as one list of key versions. Reads nothing.

Guarantees that a key which could have left the module, is of another kind or size, or is not the one in the register is
refused, and that the newest version of a key cannot just be gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keymgmt.envelopes.wrapping import recipient_of
from keymgmt.errors import KeyringRolledBack
from keymgmt.file.document import EntryDoc, KeyringDoc, facts
from keymgmt.hardware.objects import FoundKey
from keymgmt.keys import KeyFacts
from keymgmt.states import State
from keymgmt.transit.errors import KeyUnfit
from keymgmt.transit.facts import merged

_GONE = {State.DESTROYED, State.REVOKED}


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one region's keys in one token."""

    region: str
    lineage: bytes
    labels: Mapping[str, str]  # purpose to label

    def read(
        self, there: Sequence[FoundKey], register: KeyringDoc | None, known: Sequence[KeyFacts]
    ) -> tuple[KeyFacts, ...]:
        """Every version, `known` ones too. `there`: oldest first. Raises KeyUnfit, KeyringRolledBack."""
        purposes = {label: purpose for purpose, label in self.labels.items()}
        named = [(purposes[key.label], key) for key in there]
        found = self._implied(named) if register is None else self._registered(named, register)
        return merged(self.region, known, found)

    def facts(self, key: FoundKey, purpose: str, state: State) -> KeyFacts:
        """What a key in the token is. Raises KeyUnfit."""
        name = f"`{key.label}` version {key.version} of `{self.region}`"
        if broken := key.attributes.broken:
            raise KeyUnfit(f"key {name} is wrong in {', '.join(broken)}: it could have left; make a new one")
        if key.algorithm is None or not key.public:
            raise KeyUnfit(f"key {name} is neither RSA nor Ed25519; make a new one")
        found = KeyFacts(self.lineage, self.region, purpose, key.algorithm, key.version, key.created, state, key.public)
        try:
            recipient_of(found)
        except ValueError as error:
            raise KeyUnfit(f"key {name} is not RSA-4096; make a new one") from error
        return found

    def _implied(self, there: Sequence[tuple[str, FoundKey]]) -> list[KeyFacts]:
        """Where nothing was ever moved: the newest version is active, older ones are retired."""
        newest = {purpose: key.version for purpose, key in there}  # oldest first, so the last one stays
        return [
            self.facts(key, purpose, State.ACTIVE if newest[purpose] == key.version else State.RETIRED)
            for purpose, key in there
        ]

    def _registered(self, there: Sequence[tuple[str, FoundKey]], register: KeyringDoc) -> list[KeyFacts]:
        states = {(entry.purpose, entry.version): entry for entry in register.keys}
        found = {
            (purpose, key.version): self.facts(key, purpose, states[purpose, key.version].state)
            for purpose, key in there
            if (purpose, key.version) in states
        }
        return [self._entry(register, entry, found) for entry in register.keys if entry.purpose in self.labels]

    def _entry(self, register: KeyringDoc, entry: EntryDoc, found: dict[tuple[str, int], KeyFacts]) -> KeyFacts:
        """A registered version, as it is: without its key it opens nothing, and the newest one cannot just be gone."""
        written = facts(register, entry)
        key = found.get((entry.purpose, entry.version))
        if key is not None and key.key_id == written.key_id:
            return written
        newest = max(one.version for one in register.keys if one.purpose == entry.purpose)
        may_go = entry.state in _GONE or entry.version < newest
        if key is not None or not may_go:
            raise KeyringRolledBack(
                f"key {written.address} of `{self.region}` is not the one in the token's register: "
                "an older state was restored or the key was replaced; find out who did it"
            )
        return written if entry.state is State.DESTROYED else replace(written, state=State.REVOKED)
