"""Verifies a shard whose records were removed, by what its pruning left: all hashes, the checkpoint, and two proofs.

Found are hashes that make another root, a removal that no signed record of a later shard says, and one that says it of
another shard.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from audit.checks.findings import Findings, unread
from audit.checks.report import Report
from audit.checks.tile_check import TileCheck
from audit.errors import AuditError, LogCorrupt, MerkleError
from audit.files.layout import CHECKPOINT, wal_of
from audit.files.recovery import segment_paths
from audit.files.shards import GENESIS, TOMBSTONE, Shard, keys_of_shards
from audit.files.store import FileSystem
from audit.reading import read_tile
from audit.tlog.checkpoints import Checkpoint, verified_checkpoint
from audit.tlog.merkle import leaf_hash
from audit.tlog.notes import VerifierKey, parse_note
from audit.tlog.tiles import TILE_WIDTH, parse_tile
from audit.tlog.tlog_proof import TlogProof


class PrunedCheck:
    """Checks pruned shards of one log; `keys` name the log, and count under the names of its shards."""

    def __init__(self, files: FileSystem, keys: tuple[VerifierKey, ...]) -> None:
        self._files = files
        self._keys = keys

    def report(self, shard: Shard) -> Report:
        """The hashes make the root of the checkpoint, and a signed record says that the rest was removed."""
        findings = Findings()
        keys = keys_of_shards(self._keys, shard.origin)
        checkpoint: Checkpoint | None = None
        signers: tuple[str, ...] = ()
        try:
            data = self._files.read(shard.directory / CHECKPOINT)
            checkpoint, note = verified_checkpoint(data, keys, shard.origin)
            signers = tuple(key.name for key in note.verified_by(keys))
            self._hashes(shard, checkpoint, findings)
            self._tombstone(shard, checkpoint, data, findings)
        except (AuditError, OSError) as error:
            findings.problem(CHECKPOINT, f"of a pruned shard: {unread(error)}")
        if segment_paths(self._files, wal_of(shard.directory)):
            findings.note("wal", "is still there: the pruning is under way")
        return report_without_records(findings, checkpoint, signers)

    def first(self, shard: Shard) -> Mapping[str, Any]:
        """The first record's fields, as its proof holds them. Raises AuditError, OSError, ValueError."""
        proof = TlogProof.parse(self._files.read(shard.directory / GENESIS))
        proof.verify(leaf_hash(proof.extra or b""), keys_of_shards(self._keys, shard.origin), shard.origin)
        if proof.index:
            raise MerkleError(f"`{GENESIS}` proves record {proof.index}, not the first")
        return _object(proof.extra)

    def _hashes(self, shard: Shard, checkpoint: Checkpoint, findings: Findings) -> None:
        tiles = TileCheck(self._files, shard.directory, checkpoint.size, [checkpoint.size], findings)
        try:
            for index in range(-(-checkpoint.size // TILE_WIDTH)):
                width = min(TILE_WIDTH, checkpoint.size - index * TILE_WIDTH)
                tiles.group(parse_tile(read_tile(self._files, shard.directory, 0, index, width), width), None)
        except (MerkleError, OSError) as error:
            findings.problem("tile/0", f"can't be read on: {error}")
            return
        tiles.finish()
        if tiles.roots.get(checkpoint.size) != checkpoint.root:
            findings.problem("tile", f"the hashes of the {checkpoint.size} pruned records make another root")

    def _tombstone(self, shard: Shard, checkpoint: Checkpoint, note: bytes, findings: Findings) -> None:
        """The record of the pruning lies in a later shard of this log, and is of this shard."""
        try:
            proof = TlogProof.parse(self._files.read(shard.directory / TOMBSTONE))
            claimed = _origin(proof)
            base = shard.origin.removesuffix(f"/{shard.number}") if shard.number else shard.origin
            number = claimed.removeprefix(f"{base}/")
            if not (number.isdecimal() and int(number) > shard.number):
                raise MerkleError(f"its record is in `{claimed}`, which is no later shard of this log")
            proof.verify(leaf_hash(proof.extra or b""), keys_of_shards(self._keys, claimed), claimed)
            said = _object(proof.extra)
        except (AuditError, OSError, ValueError) as error:
            findings.problem(TOMBSTONE, f"doesn't show that the shard was pruned: {error}")
            return
        expected = {
            "origin": shard.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "checkpoint": sha256(note).hexdigest(),
        }
        is_prune = str(said.get("schema")).startswith("bailiwick.prune/")
        if not is_prune or any(said.get(name) != value for name, value in expected.items()):
            findings.problem(TOMBSTONE, "is the record of something else than the pruning of this shard")


def report_without_records(findings: Findings, checkpoint: Checkpoint | None, signers: tuple[str, ...]) -> Report:
    """The report on a shard whose records aren't here."""
    return Report(
        problems=tuple(findings.problems),
        notes=tuple(findings.notes),
        total_problems=findings.total,
        checkpoint=checkpoint,
        signed_by=signers,
        cosignatures=(),
        records=checkpoint.size if checkpoint else 0,
        unsigned=0,
        writers={},
        tenants=0,
        sealed=0,
        erased=0,
    )


def _origin(proof: TlogProof) -> str:
    """Whose log a proof says that it is about. Raises NoteMalformed."""
    return Checkpoint.parse(parse_note(proof.checkpoint).text).origin


def _object(leaf: bytes | None) -> Mapping[str, Any]:
    fields = orjson.loads(leaf or b"")
    if not isinstance(fields, dict):
        raise LogCorrupt("the record in the proof is no JSON object")
    return fields
