"""Reads and writes published logs by the C2SP specifications alone: Python, Ed25519, and nothing of ours.

Written from tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature and tlog-proof; of our own documentation only
what a leaf's counters are, and how shards follow on each other. A second opinion for tests; `Wrong` says what is.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

WIDTH = 256


class Wrong(Exception):
    """The log isn't what it says."""


def leaf_digest(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def above(level: list[bytes]) -> list[bytes]:
    """The next level of a tree, an odd last node left out."""
    return [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1: an odd last node of each level joins from the right."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    right: bytes | None = None
    while len(hashes) > 1:
        if len(hashes) % 2:
            right = hashes[-1] if right is None else hashlib.sha256(b"\x01" + hashes[-1] + right).digest()
        hashes = above(hashes)
    return hashes[0] if right is None else hashlib.sha256(b"\x01" + hashes[0] + right).digest()


def tile_name(level: int | str, number: int, width: int = WIDTH) -> str:
    digits = str(number).zfill(-(-len(str(number)) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{path}" + (f".p/{width}" if width < WIDTH else "")


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def note_of(text: str, *keys: tuple[str, bytes]) -> bytes:
    """The text under a signature by each of these names and seeds."""
    lines = []
    for name, seed in keys:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        identity = key_id(name, 1, private.public_key().public_bytes_raw())
        lines.append(f"\u2014 {name} {base64.b64encode(identity + private.sign(text.encode())).decode()}\n")
    return (text + "\n" + "".join(lines)).encode()


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def signed_text(note: bytes, keys: Mapping[str, Iterable[bytes]]) -> str:
    """The text of a note, once one of the keys signed it; a name's keys are Ed25519 public keys."""
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise Wrong("the note is no UTF-8") from error
    text, gap, lines = whole.rpartition("\n\n")
    if not gap or not lines.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", whole):
        raise Wrong("no note")
    text += "\n"
    good = 0
    for line in lines[:-1].split("\n"):
        found = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)", line)
        if not found:
            raise Wrong(f"no signature line: {line!r}")
        raw = base64.b64decode(found[2], validate=True)
        for public in keys.get(found[1], ()):
            if raw[:4] == key_id(found[1], 1, public):
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())
                except InvalidSignature as error:
                    raise Wrong("a known key's signature fails") from error
                good += 1
    if not good:
        raise Wrong("nobody known signed")
    return text


@dataclass(frozen=True)
class Head:
    """A checkpoint that verified."""

    origin: str
    size: int
    root: bytes


def head_of(note: bytes, keys: Mapping[str, Iterable[bytes]], origin: str) -> Head:
    lines = signed_text(note, keys).split("\n")
    if len(lines) < 4 or lines[-1] or "" in lines[:-1] or lines[0] != origin:
        raise Wrong(f"no checkpoint of {origin}")
    if not re.fullmatch("0|[1-9][0-9]*", lines[1]):
        raise Wrong("no size")
    root = base64.b64decode(lines[2], validate=True)
    if len(root) != 32 or base64.b64encode(root).decode() != lines[2]:
        raise Wrong("no root")
    return Head(lines[0], int(lines[1]), root)


def tile_bytes(directory: Path, level: int | str, number: int, width: int) -> bytes:
    """A tile of this width; the full one stands in for a partial one that is gone."""
    for one in (width, WIDTH):
        path = directory / tile_name(level, number, one)
        if path.is_file():
            return path.read_bytes()
    raise Wrong(f"{tile_name(level, number, width)} is missing")


def entries(bundle: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(bundle):
        size = int.from_bytes(bundle[at : at + 2], "big")
        if len(bundle) < at + 2 + size:
            raise Wrong("a bundle ends within an entry")
        yield bundle[at + 2 : at + 2 + size]
        at += 2 + size


def read_log(directory: Path, keys: Mapping[str, Iterable[bytes]], origin: str) -> tuple[Head, list[bytes]]:
    """The head and the leaves, once every bundle, every tile of every level and the signature fit."""
    head = head_of((directory / "checkpoint").read_bytes(), keys, origin)
    leaves: list[bytes] = []
    for number in range(-(-head.size // WIDTH)):
        width = min(WIDTH, head.size - number * WIDTH)
        found = list(entries(tile_bytes(directory, "entries", number, width)))
        if len(found) not in (width, WIDTH):
            raise Wrong(f"bundle {number} has {len(found)} entries, not {width}")
        leaves += found[:width]
    level, hashes = 0, [leaf_digest(leaf) for leaf in leaves]
    whole = hashes
    while hashes:
        for number in range(-(-len(hashes) // WIDTH)):
            expected = b"".join(hashes[number * WIDTH : (number + 1) * WIDTH])
            if tile_bytes(directory, level, number, len(expected) // 32)[: len(expected)] != expected:
                raise Wrong(f"tile {level}/{number} is another")
        hashes = [root_of(hashes[i : i + WIDTH]) for i in range(0, len(hashes) // WIDTH * WIDTH, WIDTH)]
        level += 1
    if root_of(whole) != head.root:
        raise Wrong("the root is another")
    return head, leaves


def check_counters(leaves: Iterable[bytes]) -> None:
    """What the documentation says of `written`: each writer counts from 1 without gaps, each tenant also links."""
    writers: dict[str, int] = {}
    tenants: dict[str, tuple[int, str | None]] = {}
    for index, leaf in enumerate(leaves):
        fields: dict[str, Any] = json.loads(leaf)
        if json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() != leaf:
            raise Wrong(f"leaf {index} is not canonical")
        written = fields["written"]
        if written["seq"] != writers.get(written["by"], 0) + 1:
            raise Wrong(f"leaf {index}: the writer's count has a gap")
        writers[written["by"]] = written["seq"]
        tag = fields.get("tags", {}).get("tenant")
        if tag is not None:
            count, last = tenants.get(tag, (0, None))
            if written["tenant"] != {"seq": count + 1} | ({"prev": last} if last else {}):
                raise Wrong(f"leaf {index}: the tenant's chain is broken")
            tenants[tag] = (count + 1, leaf_digest(leaf).hex())


def write_log(directory: Path, leaves: list[bytes], origin: str, seed: bytes) -> None:
    """A published log with just these leaves, signed with this seed."""
    level, hashes = 0, [leaf_digest(leaf) for leaf in leaves]
    for begin in range(0, len(leaves), WIDTH):
        part = leaves[begin : begin + WIDTH]
        body = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in part)
        _put(directory / tile_name("entries", begin // WIDTH, len(part)), body)
    note = note_of(checkpoint_text(origin, len(leaves), root_of(hashes)), (origin, seed))
    while hashes:
        for begin in range(0, len(hashes), WIDTH):
            part = hashes[begin : begin + WIDTH]
            _put(directory / tile_name(level, begin // WIDTH, len(part)), b"".join(part))
        hashes = [root_of(hashes[i : i + WIDTH]) for i in range(0, len(hashes) // WIDTH * WIDTH, WIDTH)]
        level += 1
    _put(directory / "checkpoint", note)


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that an inclusion proof leads to."""
    node, last, here = leaf_digest(leaf), size - 1, index
    for sibling in path:
        if not last:
            raise Wrong("the proof is too long")
        if here % 2 or here == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not here % 2 and here:
                here, last = here // 2, last // 2
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        here, last = here // 2, last // 2
    if last:
        raise Wrong("the proof is too short")
    return node


def check_proof(proof: bytes, keys: Mapping[str, Iterable[bytes]], origin: str) -> bytes:
    """The record that a tlog-proof carries as its extra data, once it lies under the signed checkpoint."""
    lines = proof.partition(b"\n\n")[0].decode().split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1" or not lines[0].startswith("extra "):
        raise Wrong("no proof with a record")
    leaf = base64.b64decode(lines.pop(0)[6:], validate=True)
    index = int(lines.pop(0).removeprefix("index "))
    head = head_of(proof.partition(b"\n\n")[2], keys, origin)
    if climb(leaf, index, head.size, [base64.b64decode(line, validate=True) for line in lines]) != head.root:
        raise Wrong("the proof leads elsewhere")
    return leaf
