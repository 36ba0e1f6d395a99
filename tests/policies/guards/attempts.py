"""The attempts of `attempts.yaml`, for our reader of native policies and for a real API server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
KEYS = {
    "PLACE": "bailiwick.node-restriction.kubernetes.io/place",
    "CLASS": "bailiwick.dev/data-class",
    "RESIDENCY": "bailiwick.dev/jurisdiction",
    "INFRASTRUCTURE": "bailiwick.dev/infrastructure",
}
_READ: Json = yaml.safe_load(Path(__file__).with_name("attempts.yaml").read_text())
PROFILE: Json = _READ["profile"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, and which policy refuses it."""

    name: str
    sentence: str
    kind: str
    user: str
    groups: tuple[str, ...]
    before: dict[str, str] | None  # None: the object is made
    after: dict[str, str]
    via: str
    refused: str | None

    @property
    def plural(self) -> str:
        return f"{self.kind.lower()}s"


def _labels(written: dict[str, str] | None) -> dict[str, str] | None:
    return None if written is None else {KEYS.get(key, key): value for key, value in written.items()}


def _attempt(row: Json) -> Attempt:
    user = _READ["users"][row["by"]]
    return Attempt(
        row["name"],
        row["sentence"],
        row["kind"],
        user["name"],
        tuple(user.get("groups", ())),
        _labels(row.get("before")),
        _labels(row["after"]) or {},
        row.get("via", ""),
        row.get("refused"),
    )


ATTEMPTS = tuple(map(_attempt, _READ["attempts"]))


# For random changes: keys that are guarded or nearly so, people, and what comes of it, found another way than by CEL.
LABEL_KEYS = (*KEYS.values(), "rack", "pool.node-restriction.kubernetes.io/cellar", "xbailiwick.dev/a")
SOMEBODY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("eve", ()),
    ("ops", ("platform",)),
    ("dpo", ("privacy",)),
    ("both", ("privacy", "platform")),
)
_MAY = {"platform": {"places", "infrastructure"}, "privacy": {"classes"}}


def refusing(before: Json | None, after: Json | None, kind: str, groups: tuple[str, ...]) -> set[str]:
    """The guards that refuse this change of labels by a member of these groups."""
    return _concerned(before or {}, after or {}, kind) - {guard for group in groups for guard in _MAY.get(group, ())}


def _concerned(old: Json, new: Json, kind: str) -> set[str]:
    keys = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    if kind == "Node":
        domains = ("bailiwick.dev", "bailiwick.node-restriction.kubernetes.io", "pool.node-restriction.kubernetes.io")
        return {"places"} if any(key.split("/")[0] in domains for key in keys) else set()
    ours = {key for key in keys if key.split("/")[0] == "bailiwick.dev"}
    exempting = {KEYS["INFRASTRUCTURE"]}
    return ({"infrastructure"} if ours & exempting else set()) | ({"classes"} if ours - exempting else set())
