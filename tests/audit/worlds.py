"""What tests of the audit trail need: a signer, a clock, records, a log with small bounds."""

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit import Record, SealedPart, decision_record
from audit.files.heads import Head
from audit.files.log import FileLog, LogSettings, Writer
from audit.files.store import FileSystem
from audit.leaves.drafts import Seal
from audit.leaves.tags import Tagger
from audit.tlog import VerifierKey

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
ORIGIN = "audit.eu-de.example.org/prod-7"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SMALL = LogSettings(segment_bytes=16_384, reserve_bytes=0, publish_seconds=0.02, heartbeat_seconds=0, publish_leaves=64)


class SignerDown(Exception):
    """What a keyring may raise."""


@dataclass
class NoteKey:
    """A real Ed25519 signer; `down` makes it refuse."""

    name: str = ORIGIN
    seed: bytes = b"\x07" * 32
    down: bool = False
    signed: list[bytes] = field(default_factory=list)

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        if self.down:
            raise SignerDown("the keyring is sealed")
        self.signed.append(message)
        return self._key.sign(message)

    def verifier(self) -> VerifierKey:
        return VerifierKey.ed25519(self.name, self.public_key)


@dataclass
class Clock:
    """Noon, and a millisecond later each time it is asked."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass(frozen=True)
class TagKey:
    """A keyed hash whose key lies open."""

    key_id: str = "tags-1"
    key: bytes = b"\x01" * 32

    def __call__(self, value: bytes) -> bytes:
        return hmac.digest(self.key, value, "sha256")


TAGGER = Tagger(TagKey())
WRITER = Writer(name="bailiwick-0", boot="boot-1", cluster="prod-7", region="eu-de", engine="0.1.0")


def fields(number: int = 0, **more: object) -> dict[str, object]:
    """The fields of an ordinary decision."""
    namespace = f"team-{number % 3}"
    return {
        "id": f"decision-{number}",
        "uid": f"uid-{number}",
        "time": NOON + timedelta(seconds=number),
        "cluster": "prod-7",
        "region": "eu-de",
        "engine": "0.1.0",
        "namespace": namespace,
        "gvk": "apps/v1/Deployment",
        "operation": "CREATE",
        "phase": "validate-fail",
        "data_class": "restricted",
        "jurisdiction": "eu",
        "places": ["aws.eu-central-1"],
        "isolation": "exclusive",
        "images": ["registry.example/vllm@sha256:" + "a" * 64],
        "policies": ["placement", "gpu-isolation"],
        "verdict": "denied" if number % 4 == 0 else "allowed",
        "reasons": [{"code": "place-outside", "policy": "placement", "actions": ["Deny"]}] if number % 4 == 0 else [],
        "latency_us": 240,
        "tags": TAGGER.of(tenant=namespace, user=f"user-{number}", name=f"web-{number}"),
    } | more


def decision(number: int = 0, **more: object) -> Record:
    """An ordinary decision's record."""
    return decision_record(fields(number, **more))


def sealed(number: int = 0) -> list[SealedPart]:
    """One part, as if sealed."""
    return [SealedPart("archive-key-1", f"ciphertext {number} ".encode() * 9)]


def open_log(
    directory: Path,
    *,
    signer: NoteKey | None = None,
    files: FileSystem | None = None,
    head: Head | None = None,
    boot: str = "boot-1",
    settings: LogSettings = SMALL,
    seal: Seal | None = None,
    **changes: Any,
) -> FileLog:
    """A log with small bounds."""
    settings = replace(settings, **changes) if changes else settings
    return FileLog.open(
        directory,
        origin=ORIGIN,
        signer=signer or NoteKey(),
        clock=Clock(),
        writer=replace(WRITER, boot=boot),
        settings=settings,
        files=files,
        head=head,
        seal=seal,
    )


def filled(directory: Path, count: int, *, parts: bool = True, **options: Any) -> Mapping[int, bytes]:
    """A closed log with `count` decisions; the leaf hash that was acknowledged for each index."""
    log = open_log(directory, **options)
    acknowledged = {}
    try:
        for number in range(count):
            position = log.append_now(decision(number), sealed(number) if parts and number % 2 else ())
            acknowledged[position.index] = position.leaf_hash
    finally:
        log.close_now()
    return acknowledged


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
