"""Three people whose votes count, and a policy that asks for two of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keymgmt.approvals import ApprovalPolicy, approve
from keymgmt.ports import Approval

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)  # as of all keyrings of these tests
HOUR = timedelta(hours=1)
PEOPLE = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in ("alice", "bob", "carol")}
POLICY = ApprovalPolicy({name: key.public_key().public_bytes_raw() for name, key in PEOPLE.items()}, needed=2)


def votes(action: bytes, names: Iterable[str] = ("alice", "bob"), **changes: Any) -> list[Approval]:
    """From an hour ago to an hour from now; `changes` are of nonce, beginning and end."""
    given: dict[str, Any] = {"nonce": b"n" * 16, "issued": NOW - HOUR, "expires": NOW + HOUR}
    return [approve(action, name, PEOPLE[name], **(given | changes)) for name in names]
