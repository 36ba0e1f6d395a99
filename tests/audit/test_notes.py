"""Signed notes, checkpoints, cosignatures and tlog-proof: the specification's examples, real keys, hostile bytes."""

import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import MerkleError, NoteMalformed, ProofInvalid, SignatureInvalid
from audit.tlog import (
    Checkpoint,
    NoteSignature,
    TlogProof,
    VerifierKey,
    cosigned,
    inclusion_proof,
    leaf_hash,
    parse_note,
    root_hash,
    signed_checkpoint,
    signed_note,
    subtrees_of,
    verified_checkpoint,
    verified_cosignatures,
)
from audit.tlog.notes import COSIGNATURE_ED25519, ECDSA_SHA256
from tests.audit.worlds import ORIGIN, NoteKey

SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ER"
    "YNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# from golang.org/x/mod's note tests: two keys over one text
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)


def test_specification_example() -> None:
    """The signed note of the C2SP specification verifies under its key, and parses back to the same bytes."""
    key = VerifierKey.parse(SPEC_KEY)
    note = parse_note(SPEC_NOTE.encode())
    assert note.verified_by([key]) == (key,)
    assert (str(note), str(key), note.text) == (SPEC_NOTE, SPEC_KEY, "This is an example message.\n")


def test_two_signatures_and_unknown_keys() -> None:
    """Unknown keys are passed over; all known ones that signed are named; none known is a refusal."""
    peter, enoch = VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)
    note = parse_note((PETER_NOTE + ENOCH_LINE).encode())
    assert note.verified_by([peter, enoch]) == (peter, enoch)
    assert note.verified_by([enoch]) == (enoch,)
    with pytest.raises(SignatureInvalid, match="no known key signed the note"):
        note.verified_by([VerifierKey.parse(SPEC_KEY)])


def test_a_failing_known_key_refuses_the_note() -> None:
    """One good signature does not make up for a failing one by another known key."""
    peter, enoch = VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)
    bad = ENOCH_LINE.replace("rwz+eBzm", "rwz+eBzn")
    with pytest.raises(SignatureInvalid, match="`EnochRoot`"):
        parse_note((PETER_NOTE + bad).encode()).verified_by([peter, enoch])


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\u2014 a AAAAAAAA\n",
        PETER_NOTE[:-1],
        PETER_NOTE.replace("\n\n", "\n"),
        PETER_NOTE.replace("\u2014", "-"),
        PETER_NOTE.replace("x08go", "x08g"),
        PETER_NOTE.replace("PeterNeumann", "Peter+Neumann"),
        PETER_NOTE.replace("If you", "If\tyou"),
        PETER_NOTE.replace("If you", "If\x00you"),
        "text\n\n\u2014  AAAAAAAA\n",
        "text\n\n\u2014 a AAAAAA==\n",
        "text\n\n" + "\u2014 a AAAAAAAA\n" * 65,
    ],
)
def test_malformed_notes(bad: str) -> None:
    """What is no signed note is refused as malformed."""
    with pytest.raises(NoteMalformed):
        parse_note(bad.encode())


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    """Any bytes give a value that encodes back to them, or NoteMalformed; nothing else."""
    for prefix in (b"", b"text\n\n\xe2\x80\x94 name ", b"c2sp.org/tlog-proof@v1\nindex 1\n"):
        for parse in (parse_note, TlogProof.parse):
            try:
                value = parse(prefix + data)
            except NoteMalformed:
                continue
            encoded = value.to_bytes() if isinstance(value, TlogProof) else str(value).encode()
            assert encoded == prefix + data


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "name",
        "name+12345678",
        SPEC_KEY.replace("530d", "530D"),
        SPEC_KEY.replace("530d903a", "530d903b"),
        SPEC_KEY.replace("+AekyeRrm", "+BekyeRrm"),
        SPEC_KEY.replace("example.com/foo", "example.com/ foo"),
        SPEC_KEY[:-4],
        "a+zzzzzzzz+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        f"a+00000000+{base64.b64encode(bytes([ECDSA_SHA256]) + b'no key').decode()}",
    ],
)
def test_malformed_verifier_keys(bad: str) -> None:
    """A verifier key whose parts don't fit each other is refused."""
    with pytest.raises(NoteMalformed):
        VerifierKey.parse(bad)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_ecdsa_verifies(curve: ec.EllipticCurve) -> None:
    """Signatures of kind 0x02 are verified on the three NIST curves."""
    private = ec.generate_private_key(curve)
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = VerifierKey("log.example", sha256(der).digest()[:4], ECDSA_SHA256, der)
    key = VerifierKey.parse(str(key))
    text = "hello\n"
    line = NoteSignature(key.name, key.key_id, private.sign(text.encode(), ec.ECDSA(SHA256())))
    note = parse_note(f"{text}\n{line.line()}".encode())
    assert note.verified_by([key]) == (key,)
    with pytest.raises(SignatureInvalid):
        replace(note, text="hallo\n").verified_by([key])


def test_checkpoint_round_trip() -> None:
    """A signed checkpoint verifies under the log's key, and gives the same checkpoint back."""
    checkpoint = Checkpoint(ORIGIN, 7, root_hash([leaf_hash(b"x")]))
    signer = NoteKey()
    note = str(signed_checkpoint(checkpoint, [signer])).encode()
    assert verified_checkpoint(note, [signer.verifier()], ORIGIN)[0] == checkpoint
    with pytest.raises(SignatureInvalid, match="expected `other`"):
        verified_checkpoint(note, [signer.verifier()], "other")
    with pytest.raises(SignatureInvalid):
        verified_checkpoint(note, [NoteKey(seed=b"\x08" * 32).verifier()])


@pytest.mark.parametrize(
    "text",
    [
        "log\n1\n",
        "log\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n\u0661\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n9223372036854775808\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n1\nAAAA\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    """A checkpoint has a name, a canonical size and a root, and no empty line."""
    with pytest.raises(NoteMalformed):
        Checkpoint.parse(text)


def test_cosignatures() -> None:
    """A witness's cosignature verifies with its time; with any byte changed it refuses the note."""
    signer, witness = NoteKey(), NoteKey("witness.example", b"\x09" * 32)
    note = signed_checkpoint(Checkpoint(ORIGIN, 1, leaf_hash(b"x")), [signer])
    line = cosigned(note, witness, 1_790_000_000)
    key = VerifierKey.ed25519(witness.name, witness.public_key, COSIGNATURE_ED25519)
    both = replace(note, signatures=(*note.signatures, line))
    assert [(c.key, c.time) for c in verified_cosignatures(both, [key])] == [(key, 1_790_000_000)]
    assert verified_cosignatures(both, [signer.verifier()]) == ()
    assert parse_note(str(both).encode()).verified_by([signer.verifier(), key]) == (signer.verifier(),)
    for at in (0, 7, 8, 71):
        changed = bytearray(line.signature)
        changed[at] ^= 1
        with pytest.raises(SignatureInvalid):
            verified_cosignatures(replace(note, signatures=(replace(line, signature=bytes(changed)),)), [key])


@given(st.integers(1, 40), st.data())
def test_tlog_proof(size: int, data: st.DataObject) -> None:
    """A tlog-proof verifies for its leaf, survives its own text, and for no other leaf or index."""
    index = data.draw(st.integers(0, size - 1))
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    signer = NoteKey()
    note = str(signed_checkpoint(Checkpoint(ORIGIN, size, root_hash(leaves)), [signer])).encode()
    extra = data.draw(st.none() | st.binary(max_size=20))
    proof = TlogProof(index, inclusion_proof(index, size, subtrees_of(leaves)), note, extra)
    again = TlogProof.parse(proof.to_bytes())
    assert again == proof
    assert again.verify(leaves[index], [signer.verifier()], ORIGIN).size == size
    with pytest.raises(MerkleError):
        again.verify(leaf_hash(b"other"), [signer.verifier()])
    with pytest.raises(ProofInvalid):
        replace(again, index=size).verify(leaves[index], [signer.verifier()])


@pytest.mark.parametrize(
    "bad",
    [
        b"c2sp.org/tlog-proof@v2\nindex 0\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 00\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex -1\n\nx",
        b"c2sp.org/tlog-proof@v1\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0\n!!!!\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra \xff\nindex 0\n\nx",
        b"c2sp.org/tlog-proof@v1\nindex 0",
    ],
)
def test_malformed_tlog_proofs(bad: bytes) -> None:
    """A proof with another header, index, hash or without a checkpoint is refused."""
    with pytest.raises(NoteMalformed):
        TlogProof.parse(bad)


def test_a_signer_may_not_sign_what_is_no_note() -> None:
    """A text without a final newline, or with control characters, is never signed."""
    for text in ("no newline", "tab\there\n", ""):
        with pytest.raises(NoteMalformed):
            signed_note(text, [NoteKey()])
