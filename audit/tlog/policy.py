"""C2SP tlog-policy: which logs are believed, and how many of which witnesses must have cosigned. Pure.

    log <vkey> [<url>]                    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>...  quorum <name>|none

Any bytes give a policy or PolicyMalformed. Names are opaque octets; what isn't UTF-8 in them stays what it is.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from audit.errors import NoteMalformed, PolicyMalformed, QuorumMissing, SignatureInvalid
from audit.tlog.checkpoints import Checkpoint, Cosignature, verified_checkpoint, verified_cosignatures
from audit.tlog.notes import COSIGNATURE_ED25519, Note, VerifierKey, parse_note

NONE = "none"
POLICY_LIMIT = 1 << 20  # bytes
LINES_LIMIT = 4_096


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log that is believed. Its key's name is the log's origin."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness by its name within the policy. `url` is where checkpoints are submitted."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses the checkpoint when `threshold` of its members do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy; groups stand after their members."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[Group, ...]
    quorum: str

    @classmethod
    def parse(cls, data: bytes) -> "Policy":
        """Read a policy file. Raises PolicyMalformed with the number of the line."""
        if len(data) > POLICY_LIMIT or data.count(b"\n") > LINES_LIMIT:
            raise PolicyMalformed(f"a policy of more than {POLICY_LIMIT} bytes or {LINES_LIMIT} lines is not read")
        draft = _Draft()
        for number, line in enumerate(data.split(b"\n"), 1):
            if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in line):
                raise PolicyMalformed(f"line {number}: a policy holds no control characters but tabs")
            words = [word for part in line.split(b" ") for word in part.split(b"\t") if word]
            if words and not words[0].startswith(b"#"):
                draft.take(number, [word.decode("utf-8", "surrogateescape") for word in words])
        return draft.policy()

    def is_met_by(self, names: Collection[str]) -> bool:
        """Whether these witnesses (by their names here) make the quorum."""
        if self.quorum == NONE:
            return True
        met = set(names) & {witness.name for witness in self.witnesses}
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met

    def cosigners(self, note: Note) -> dict[str, Cosignature]:
        """The policy's witnesses that cosigned, by name. Raises SignatureInvalid when one of theirs fails."""
        names = {witness.key: witness.name for witness in self.witnesses}
        return {names[one.key]: one for one in verified_cosignatures(note, names)}

    def verify(self, data: bytes, origin: str | None = None) -> tuple[Checkpoint, tuple[Cosignature, ...]]:
        """The checkpoint, once a log of this policy signed it and the quorum cosigned it.

        Raises NoteMalformed, SignatureInvalid, and QuorumMissing when only witnesses are missing.
        """
        note = parse_note(data)
        claimed = Checkpoint.parse(note.text)
        keys = [log.key for log in self.logs if log.key.name == claimed.origin]
        if not keys:
            raise SignatureInvalid(f"the policy names no log `{claimed.origin}`")
        checkpoint, note = verified_checkpoint(data, keys, origin)
        found = self.cosigners(note)
        if not self.is_met_by(found):
            raise QuorumMissing(
                f"the checkpoint of {checkpoint.size} records misses the quorum `{self.quorum}`: "
                f"cosigned by {', '.join(sorted(found)) or 'no witness'}"
            )
        return checkpoint, tuple(found.values())


@dataclass(slots=True)
class _Draft:
    """A policy while its lines are read."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    names: set[str] = field(default_factory=lambda: {NONE})
    members: set[str] = field(default_factory=set)

    def take(self, number: int, words: list[str]) -> None:
        try:
            match words:
                case ["log", vkey, *url] if len(url) <= 1:
                    self._log(_key(vkey, witness=False), *url)
                case ["witness", name, vkey, *url] if len(url) <= 1:
                    self._witness(name, _key(vkey, witness=True), *url)
                case ["group", name, count, *members] if members:
                    self._group(name, count, members)
                case ["quorum", name]:
                    self._quorum(name)
                case [word, *_]:
                    raise PolicyMalformed(f"`{word[:40]}` with {len(words) - 1} words after it is no line of a policy")
        except NoteMalformed as error:
            raise PolicyMalformed(f"line {number}: {error}") from error

    def policy(self) -> Policy:
        if self.quorum is None:
            raise PolicyMalformed("a policy has one `quorum` line; `quorum none` asks for no witness")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _log(self, key: VerifierKey, url: str = "") -> None:
        if any(log.key.public == key.public for log in self.logs):
            raise PolicyMalformed(f"the key of log `{key.name}` stands twice")
        self.logs.append(PolicyLog(key, url))

    def _witness(self, name: str, key: VerifierKey, url: str = "") -> None:
        if any(witness.key.public == key.public for witness in self.witnesses):
            raise PolicyMalformed(f"the key of witness `{name}` stands twice")
        self._name(name)
        self.witnesses.append(PolicyWitness(name, key, url))

    def _group(self, name: str, count: str, members: list[str]) -> None:
        for member in members:
            if member == NONE or member not in self.names:
                raise PolicyMalformed(f"group `{name}` names `{member}`, which is not defined before it")
            if member in self.members:
                raise PolicyMalformed(f"`{member}` is a member twice")
            self.members.add(member)
        words = {"all": len(members), "any": 1}
        threshold = words.get(count) or _count(count)
        if not 1 <= threshold <= len(members):
            raise PolicyMalformed(f"group `{name}` can't ask for {count[:20]} of {len(members)} members")
        self._name(name)
        self.groups.append(Group(name, threshold, tuple(members)))

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise PolicyMalformed("a policy has one `quorum` line, this one has another")
        if name not in self.names:
            raise PolicyMalformed(f"the quorum `{name}` is not defined before it")
        self.quorum = name

    def _name(self, name: str) -> None:
        if name in self.names:
            raise PolicyMalformed(f"the name `{name}` is taken")
        self.names.add(name)


def _key(vkey: str, *, witness: bool) -> VerifierKey:
    if any("\ud800" <= character <= "\udfff" for character in vkey):
        raise PolicyMalformed("a verifier key's name is UTF-8")
    key = VerifierKey.parse(vkey)
    if (key.kind == COSIGNATURE_ED25519) != witness:
        kind = "a cosigner's (kind 0x04)" if witness else "a log's (kind 0x01 or 0x02)"
        raise PolicyMalformed(f"the key of `{key.name}` is not {kind}")
    return key


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and text[0] != "0"):
        raise PolicyMalformed(f"`{text[:20]}` is not `all`, `any` or a number of members")
    return int(text)
