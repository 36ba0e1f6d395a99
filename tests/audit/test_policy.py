"""tlog-policy: which files are policies, what a quorum is, and what satisfies one."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import PolicyMalformed, QuorumMissing, SignatureInvalid
from audit.tlog import Checkpoint, Note, Policy, cosigned, signed_checkpoint
from audit.tlog.notes import COSIGNATURE_ED25519, VerifierKey
from tests.audit.worlds import ORIGIN, NoteKey

LOG = NoteKey()
OTHER = NoteKey(name="other.example/log", seed=b"\x08" * 32)
CHECKPOINT = Checkpoint(ORIGIN, 7, b"\x01" * 32)


def witness(name: str) -> NoteKey:
    """A witness's key, from its name."""
    return NoteKey(name=f"witness.example/{name}", seed=name.encode().ljust(32, b"\x55"))


def vkey(key: NoteKey) -> str:
    """Its cosigner's key as text."""
    return str(VerifierKey.ed25519(key.name, key.public_key, COSIGNATURE_ED25519))


def policy_text(*groups: str, names: Sequence[str] = ("X1", "X2", "X3", "Y1", "Y2", "Y3")) -> bytes:
    """A policy over one log and these witnesses."""
    lines = [f"log {LOG.verifier()}", *(f"witness {name} {vkey(witness(name))}" for name in names), *groups]
    return "".join(f"{line}\n" for line in lines).encode()


TWO_LEVELS = policy_text(
    "group X-witnesses 2 X1 X2 X3",
    "group Y-witnesses any Y1 Y2 Y3",
    "group both all X-witnesses Y-witnesses",
    "quorum both",
)


def cosigned_by(*names: str, time: int = 1_700_000_000) -> bytes:
    """A signed checkpoint under these witnesses' cosignatures."""
    note = signed_checkpoint(CHECKPOINT, [LOG])
    lines = [cosigned(note, witness(name), time) for name in names]
    return str(Note(note.text, (*note.signatures, *lines))).encode()


def test_a_quorum_of_groups() -> None:
    """Of all 64 sets of witnesses just those with two of X and one of Y satisfy the policy."""
    policy = Policy.parse(TWO_LEVELS)
    names = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
    for chosen in chain.from_iterable(combinations(names, count) for count in range(7)):
        met = sum(name[0] == "X" for name in chosen) >= 2 and any(name[0] == "Y" for name in chosen)
        data = cosigned_by(*chosen)
        if met:
            checkpoint, found = policy.verify(data, ORIGIN)
            assert checkpoint == CHECKPOINT
            assert len(found) == len(chosen)
        else:
            with pytest.raises(QuorumMissing, match="misses the quorum `both`"):
                policy.verify(data, ORIGIN)


def test_no_witness_is_asked_for() -> None:
    """With `quorum none` the log's own signature is enough, and is still needed."""
    policy = Policy.parse(policy_text("quorum none"))
    assert policy.verify(cosigned_by())[0] == CHECKPOINT
    stranger = str(signed_checkpoint(CHECKPOINT, [NoteKey(seed=b"\x09" * 32)])).encode()
    with pytest.raises(SignatureInvalid, match="no known key signed"):
        policy.verify(stranger)


def test_a_log_signs_under_its_own_name_only() -> None:
    """A believed log's key under another origin is not believed, and neither is a log that isn't named."""
    policy = Policy.parse(policy_text("quorum none") + f"log {OTHER.verifier()}\n".encode())
    theirs = str(signed_checkpoint(CHECKPOINT, [OTHER])).encode()
    with pytest.raises(SignatureInvalid):
        policy.verify(theirs)
    unnamed = Checkpoint("nobody.example", 7, b"\x01" * 32)
    with pytest.raises(SignatureInvalid, match="names no log"):
        policy.verify(str(signed_checkpoint(unnamed, [LOG])).encode())


def test_a_false_cosignature_is_no_cosignature() -> None:
    """A cosignature by a known witness that fails refuses the checkpoint; one by a stranger counts for nothing."""
    policy = Policy.parse(policy_text("quorum X1"))
    assert policy.verify(cosigned_by("X1", "Z9"))[0] == CHECKPOINT
    with pytest.raises(QuorumMissing):
        policy.verify(cosigned_by("Z9"))
    with pytest.raises(SignatureInvalid, match="does not verify"):
        policy.verify(cosigned_by("X1").replace(b"\n7\n", b"\n8\n"))


def test_white_space_comments_and_octets() -> None:
    """Tabs, spaces around, empty lines and comments mean nothing; names are octets, UTF-8 or not."""
    name = b"K\xc3\xbcste\xff"
    lines = [
        b"",
        b" \t# a comment",
        b"\twitness  " + name + b"\t" + vkey(witness("X1")).encode() + b" https://w.example ",
        b"quorum " + name,
    ]
    policy = Policy.parse(b"\n".join(lines))
    assert policy.witnesses[0].url == "https://w.example"
    assert policy.is_met_by([policy.witnesses[0].name])
    assert policy.logs == ()


K = vkey(witness("X1"))
MALFORMED = {
    "no quorum": f"witness X1 {K}\n",
    "two quorums": f"witness X1 {K}\nquorum X1\nquorum none\n",
    "quorum before its definition": f"quorum X1\nwitness X1 {K}\n",
    "unknown member": "group g any X1\nquorum g\n",
    "member none": "group g any none\nquorum g\n",
    "group in itself": "group g any g\nquorum g\n",
    "no members": f"witness X1 {K}\ngroup g any\nquorum g\n",
    "too many asked": f"witness X1 {K}\ngroup g 2 X1\nquorum g\n",
    "none asked": f"witness X1 {K}\ngroup g 0 X1\nquorum g\n",
    "a leading zero": f"witness X1 {K}\ngroup g 01 X1\nquorum g\n",
    "a member of two groups": f"witness X1 {K}\ngroup g any X1\ngroup h any X1\nquorum h\n",
    "a member twice": f"witness X1 {K}\ngroup g 2 X1 X1\nquorum g\n",
    "a name taken": f"witness X1 {K}\nwitness X1 {vkey(witness('X2'))}\nquorum none\n",
    "a name that is reserved": f"witness none {K}\nquorum none\n",
    "the same key twice": f"witness X1 {K}\nwitness X2 {vkey(replace(witness('X1'), name='else'))}\nquorum none\n",
    "the same log twice": f"log {LOG.verifier()}\nlog {LOG.verifier()}\nquorum none\n",
    "a log's key for a witness": f"witness X1 {LOG.verifier()}\nquorum X1\n",
    "a witness's key for a log": f"log {K}\nquorum none\n",
    "no key": "log example.com+nonsense\nquorum none\n",
    "words too many": f"log {LOG.verifier()} https://a https://b\nquorum none\n",
    "an unknown line": "trust me\nquorum none\n",
    "a control character": "quorum none\r\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_policy(text: str) -> None:
    """Each rule of the format is enforced."""
    with pytest.raises(PolicyMalformed):
        Policy.parse(text.encode())


@given(
    st.lists(
        st.sampled_from(
            [
                b"log",
                b"witness",
                b"group",
                b"quorum",
                b"none",
                b"any",
                b"all",
                b"1",
                b"X1",
                b"#",
                b"\n",
                b" ",
                b"\xff",
                K.encode(),
                b"\n",
            ]
        ),
        max_size=30,
    ),
    st.binary(max_size=20),
)
def test_any_bytes_are_a_policy_or_malformed(words: list[bytes], noise: bytes) -> None:
    """Whatever is read gives a policy or PolicyMalformed, and nothing else."""
    try:
        policy = Policy.parse(b" ".join(words) + noise)
    except PolicyMalformed:
        return
    assert policy.quorum == "none" or policy.is_met_by([witness.name for witness in policy.witnesses])
