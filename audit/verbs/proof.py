"""`bailiwick audit prove` and `audit verify-proof`: one record, shown to lie under a signed checkpoint."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audit.verbs.places import found_log, one_shard, verifier_keys
from audit.verbs.said import FORMATS
from audit.verbs.written import written

if TYPE_CHECKING:
    from audit.tlog.tlog_proof import TlogProof


@click.command(short_help="prove that one record lies under the checkpoint")
@click.argument("log", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("index", type=click.IntRange(min=0))
@click.option("--to", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write here, not to the output.")
@click.option("--shard", type=click.IntRange(min=0), help="The shard that INDEX counts in, where there are several.")
@click.option("--bare", is_flag=True, help="Without the record itself: whoever checks the proof must have it.")
def prove(log: Path, index: int, target: Path | None, shard: int | None, bare: bool) -> None:
    """Prove that record INDEX of the LOG lies under its checkpoint: a tlog-proof, with the record as its extra data.

    It can be checked with `audit verify-proof` and the verifier keys, or with other tools that read C2SP tlog-proof.

    \b
    bailiwick audit prove state 517 --to record-517.tlog-proof
    """
    if target is not None and not target.parent.is_dir():
        raise click.UsageError(f"there is no folder `{target.parent}` to write to")
    data = _proof(one_shard(found_log(log), shard)[0], index, bare=bare).to_bytes()
    if target is None:
        click.echo(data, nl=False)
        return
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_bytes(data)
    fresh.replace(target)


@click.command("verify-proof", short_help="verify such a proof with verifier keys alone")
@click.argument("proof", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", "keys", multiple=True, required=True, metavar="VKEY|FILE", help="Who may sign; repeatable.")
@click.option("--origin", help="Whose log it must be.")
@click.option("--leaf", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The record's own bytes.")
@click.option("-o", "--output", type=FORMATS, default="table", show_default=True)
def verify_proof(proof: Path, keys: Sequence[str], origin: str | None, leaf: Path | None, output: str) -> None:
    """Verify the PROOF of a record with nothing but verifier keys. Exits with 1 when it doesn't hold.

    \b
    bailiwick audit verify-proof record-517.tlog-proof --key log.vkeys
    """
    from audit.errors import MerkleError

    try:
        data = proof.read_bytes()
        vkeys = _keys_for(data, verifier_keys(proof.parent, keys))
        found = _verified(data, vkeys, origin, leaf.read_bytes() if leaf else None)
    except MerkleError as error:
        found = {"ok": False, "problem": str(error)}
    if output != "table":
        click.echo(written(found, output), nl=False)
    elif found["ok"]:
        _tell(found)
    else:
        from audit.exports.text import shown

        click.echo(f"broken: {shown(found['problem'], 1000)}")
    sys.exit(int(not found["ok"]))


def _proof(log: Path, index: int, *, bare: bool) -> "TlogProof":
    """The proof, checked before it is handed out."""
    from dataclasses import replace

    from audit.errors import AuditError
    from audit.reading import prove as proof_of
    from audit.reading import read_checkpoint, read_records
    from audit.tlog.proofs import verify_inclusion

    try:
        proof = proof_of(log, index)
        record = next(iter(read_records(log, index, index + 1)))
        checkpoint = read_checkpoint(log)
        verify_inclusion(index, checkpoint.size, record.hash, proof.hashes, checkpoint.root)
    except (AuditError, StopIteration, FileNotFoundError) as error:
        refused = click.UsageError(f"record {index} can't be proved: {error}")
        refused.hint = "`bailiwick audit verify` says how many records are under the checkpoint, and what is broken"  # type: ignore[attr-defined]
        raise refused from error
    return proof if bare else replace(proof, extra=record.leaf)


def _keys_for(data: bytes, keys: Sequence[Any]) -> Sequence[Any]:
    """The keys, also under the name of the shard that the proof is about. Raises MerkleError."""
    from audit.files.shards import keys_of_shards
    from audit.tlog.checkpoints import Checkpoint
    from audit.tlog.notes import parse_note
    from audit.tlog.tlog_proof import TlogProof

    origin = Checkpoint.parse(parse_note(TlogProof.parse(data).checkpoint).text).origin
    mine = tuple(key for key in keys if origin == key.name or origin.startswith(f"{key.name}/"))
    return (*keys, *keys_of_shards(mine, origin))


def _verified(data: bytes, keys: Sequence[Any], origin: str | None, leaf: bytes | None) -> dict[str, Any]:
    """What the proof shows. Raises MerkleError when it shows nothing."""
    from audit.errors import ProofInvalid
    from audit.leaves.readable import read_leaf
    from audit.tlog.checkpoints import verified_cosignatures
    from audit.tlog.merkle import leaf_hash
    from audit.tlog.notes import parse_note
    from audit.tlog.tlog_proof import TlogProof

    proof = TlogProof.parse(data)
    record = proof.extra if leaf is None else leaf
    if record is None:
        raise ProofInvalid("the proof doesn't carry its record: give the record's bytes with --leaf")
    digest = leaf_hash(record)
    checkpoint = proof.verify(digest, keys, origin)
    note = parse_note(proof.checkpoint)
    fields, why = read_leaf(record)
    unreadable = {"unreadable": why, "recordBytes": fields["bytes"]} if why else {}
    return {
        "ok": True,
        "index": proof.index,
        "leafHash": digest.hex(),
        "checkpoint": {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()},
        "signedBy": [key.name for key in note.verified_by(keys)],
        "witnessedBy": [{"name": one.key.name, "time": one.time} for one in verified_cosignatures(note, keys)],
        "record": record.decode(errors="replace"),
        **unreadable,
    }


def _tell(found: dict[str, Any]) -> None:
    from audit.exports.text import shown

    checkpoint = found["checkpoint"]
    click.echo(f"holds: record {found['index']} of `{shown(checkpoint['origin'])}` lies under the checkpoint")
    click.echo(f"checkpoint of {checkpoint['size']} records, signed by {shown(', '.join(found['signedBy']), 4000)}")
    for witness in found["witnessedBy"]:
        click.echo(f"witnessed by {shown(witness['name'])}")
    click.echo(f"leaf hash: {found['leafHash']}")
    if "unreadable" in found:
        click.echo(f"note: nobody can read the record: it {shown(found['unreadable'])}")
    click.echo(f"record: {shown(found['record'], len(found['record']))}")
