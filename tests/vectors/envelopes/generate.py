"""Write the envelope vectors beside this file. HPKE is randomised, so running it gives other bytes of the same meaning.

Run from the root of the checkout: `python tests/vectors/envelopes/generate.py`.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keymgmt.canonical import binding_bytes
from keymgmt.envelopes.envelope import NONCE_SIZE, parse_envelope
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm
from keymgmt.ports import Binding

HERE = Path(__file__).resolve().parent
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
BOUND = Binding(region="eu-de", jurisdiction="DE", purpose="audit-archive", cluster="prod-1", tenant="clinic")


def stream(label: str) -> Callable[[int], bytes]:
    """Bytes that look random and are the same every time."""
    counter = iter(range(1 << 30))
    return lambda size: hashlib.shake_256(f"{label}/{next(counter)}".encode()).digest(size)


def keyring(directory: Path, region: str, secrets: list[bytes]) -> FileKeyring:
    """A keyring of one sealing key, whose secret is the first draw of 32 bytes."""
    draw = stream(region)

    def noted(size: int) -> bytes:
        secrets.append(draw(size))
        return secrets[-1]

    key_file = KeyFile.create(directory / f"{region}.kek", entropy=stream("kek"))
    purposes = {"audit-archive": Algorithm.X25519}
    return FileKeyring.create(
        directory / region, region, unlock=key_file, now=NOW, jurisdiction="DE", purposes=purposes, entropy=noted
    )


def cases(envelope: bytes) -> Iterator[tuple[str, str, bytes, Binding, str]]:
    """Name, reason, bytes, binding asked for, and what must come of it."""
    parts = parse_envelope(envelope)
    yield "opens", "sealed and opened for the same binding", envelope, BOUND, "opens"
    for name, value in {"jurisdiction": "FR", "cluster": "prod-2", "tenant": "bank"}.items():
        other = replace(BOUND, **{name: value})
        yield f"other-{name}", f"the {name} is another one", envelope, other, "EnvelopeInvalid"
    run_on = replace(BOUND, cluster="prod-1c", tenant="linic")
    yield "fields-run-together", "a letter moved between fields", envelope, run_on, "EnvelopeInvalid"
    yield "other-region", "opened for another region", envelope, replace(BOUND, region="eu-fr"), "ForeignRegion"
    foreign = envelope[:8] + b"eu-fr" + envelope[13:]
    yield "foreign-region", "sealed for another region", foreign, BOUND, "ForeignRegion"
    for name, at in {
        "magic": 0,
        "version": 4,
        "wrap": 5,
        "content": 6,
        "key-id": 13,
        "wrapped-length": 30,
        "encapsulated-key": 31,
        "wrapped-key": 31 + 32,
        "nonce": len(parts.header),
        "ciphertext": len(parts.header) + NONCE_SIZE,
        "tag": len(envelope) - 1,
    }.items():
        flipped = envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :]
        yield f"damaged-{name}", f"one bit of the {name} is flipped", flipped, BOUND, "EnvelopeInvalid"
    yield "cut-short", "the last byte is missing", envelope[:-1], BOUND, "EnvelopeInvalid"
    yield "run-on", "one byte too many", envelope + b"\0", BOUND, "EnvelopeInvalid"
    yield "empty", "nothing at all", b"", BOUND, "EnvelopeInvalid"


def vector(name: str, desc: str, key: dict[str, str], data: bytes, bound: Binding, want: str) -> dict[str, Any]:
    """One file's content."""
    return {
        "name": name,
        "desc": desc,
        "key": key,
        "binding": asdict(bound),
        "binding_bytes": binding_bytes(bound).hex(),
        "envelope": data.hex(),
        "plaintext": PLAINTEXT.hex() if want == "opens" else None,
        "want": want,
    }


PLAINTEXT = b'{"name":"vllm-0","message":"place outside the jurisdiction"}'


def main() -> None:
    """Replace every vector."""
    for old in HERE.glob("*.json"):
        old.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        secrets: list[bytes] = []
        ring = keyring(Path(scratch), "eu-de", secrets)
        facts = ring.keys()[0]
        secret = next(drawn for drawn in secrets if len(drawn) == 32)
        key = {
            "key_id": facts.key_id,
            "region": facts.region,
            "purpose": facts.purpose,
            "lineage": facts.lineage.hex(),
            "algorithm": facts.algorithm,
            "version": str(facts.version),
            "created": "2026-11-21T08:00:00Z",
            "public": facts.public.hex(),
            "secret": secret.hex(),
        }
        envelope = ring.sealer().seal(PLAINTEXT, BOUND).to_bytes()
        for name, desc, data, bound, want in cases(envelope):
            content = vector(name, desc, key, data, bound, want)
            (HERE / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
