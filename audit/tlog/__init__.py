"""Transparency-log formats, pure: RFC 6962 trees and proofs, C2SP tiles, signed notes, checkpoints, tlog-proof."""

from audit.tlog.checkpoints import (
    Checkpoint,
    Cosignature,
    cosigned,
    signed_checkpoint,
    verified_checkpoint,
    verified_cosignatures,
)
from audit.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash, node_hash, root_hash
from audit.tlog.notes import Note, NoteSignature, NoteSigner, VerifierKey, parse_note, signed_note
from audit.tlog.policy import Policy, PolicyLog, PolicyWitness
from audit.tlog.proofs import (
    consistency_proof,
    inclusion_proof,
    subtrees_of,
    verify_consistency,
    verify_extension,
    verify_inclusion,
)
from audit.tlog.submission import Submission
from audit.tlog.subtrees import verify_subtree_consistency, verify_subtree_inclusion
from audit.tlog.tiles import bundle_bytes, parse_bundle, parse_tile, parse_tile_path, subtrees_in, tile_path, tiles_of
from audit.tlog.tlog_proof import TlogProof

__all__ = [
    "EMPTY_ROOT",
    "Checkpoint",
    "Cosignature",
    "Frontier",
    "Note",
    "NoteSignature",
    "NoteSigner",
    "Policy",
    "PolicyLog",
    "PolicyWitness",
    "Submission",
    "TlogProof",
    "VerifierKey",
    "bundle_bytes",
    "consistency_proof",
    "cosigned",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "parse_bundle",
    "parse_note",
    "parse_tile",
    "parse_tile_path",
    "root_hash",
    "signed_checkpoint",
    "signed_note",
    "subtrees_in",
    "subtrees_of",
    "tile_path",
    "tiles_of",
    "verified_checkpoint",
    "verified_cosignatures",
    "verify_consistency",
    "verify_extension",
    "verify_inclusion",
    "verify_subtree_consistency",
    "verify_subtree_inclusion",
]
