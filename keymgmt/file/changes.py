"""What happens to a keyring's document when a key is made, moved to another state, or approved to go. Pure."""

from collections.abc import Sequence
from datetime import datetime

from keymgmt.approvals import ApprovalPolicy
from keymgmt.canonical import from_base64url, json_bytes, stamp, to_base64url
from keymgmt.errors import NoSuchKey, NotApproved
from keymgmt.file.document import SCHEMA, ApproversDoc, DerivationDoc, EntryDoc, KeyringDoc, head_of
from keymgmt.file.unlock import Derivation
from keymgmt.keys import no_active_key
from keymgmt.ports import Approval, Quorum
from keymgmt.states import Change, State, after


def new_document(
    region: str,
    jurisdiction: str,
    lineage: bytes,
    *,
    derivation: Derivation | None,
    approvals: ApprovalPolicy | None,
    now: datetime,
) -> KeyringDoc:
    """The first generation, still without keys."""
    return KeyringDoc(
        schema=SCHEMA,
        assurance="software",
        region=region,
        jurisdiction=jurisdiction,
        lineage=to_base64url(lineage),
        created=stamp(now),
        generation=1,
        history=[],
        derivation=_derivation(derivation) if derivation else None,
        approvals=_approvers(approvals) if approvals else None,
        spent=[],
        keys=[],
    )


def _derivation(chosen: Derivation) -> DerivationDoc:
    return DerivationDoc(
        algorithm="argon2id",
        salt=to_base64url(chosen.salt),
        memory=chosen.memory,
        iterations=chosen.iterations,
        lanes=chosen.lanes,
    )


def _approvers(policy: ApprovalPolicy) -> ApproversDoc:
    approvers = {name: to_base64url(key) for name, key in policy.approvers.items()}
    return ApproversDoc(needed=policy.needed, approvers=approvers)


def next_generation(before: KeyringDoc, after: KeyringDoc) -> KeyringDoc:
    """`after` as the successor of `before`: one generation up, with the digest of what it replaces."""
    history = [*before.history, head_of(before).digest]
    return after.model_copy(update={"generation": before.generation + 1, "history": history})


def entry_by_id(document: KeyringDoc, key_id: str) -> EntryDoc:
    """The entry of a key. Raises NoSuchKey."""
    for entry in document.keys:
        if entry.key_id == key_id:
            return entry
    raise NoSuchKey(f"region `{document.region}` has no key `{key_id}`; list its keys for their ids")


def latest(document: KeyringDoc, purpose: str) -> EntryDoc:
    """The newest version for a purpose, in whatever state. Raises NoSuchKey."""
    known = [entry for entry in document.keys if entry.purpose == purpose]
    if not known:
        raise no_key(document, purpose)
    return known[-1]


def no_key(document: KeyringDoc, purpose: str) -> NoSuchKey:
    """The error that names what there is instead."""
    return no_active_key(document.region, purpose, (entry.purpose for entry in document.keys))


def with_entry(document: KeyringDoc, entry: EntryDoc) -> KeyringDoc:
    """The document with one more key."""
    return document.model_copy(update={"keys": [*document.keys, entry]})


def changed(document: KeyringDoc, key_id: str, change: Change) -> KeyringDoc:
    """One key in its next state; a destroyed one loses its secret part. Raises NoSuchKey, TransitionRefused."""
    known = entry_by_id(document, key_id)
    state = after(known.state, change)
    wrapped = None if state is State.DESTROYED else known.wrapped
    moved = known.model_copy(update={"state": state, "wrapped": wrapped})
    keys = [moved if entry.key_id == key_id else entry for entry in document.keys]
    return document.model_copy(update={"keys": keys})


def activated(document: KeyringDoc, key_id: str) -> KeyringDoc:
    """A staged key made active, and the one before it retired: never two active ones. Raises as `changed` does."""
    purpose = entry_by_id(document, key_id).purpose
    grown = changed(document, key_id, Change.ACTIVATE)
    for entry in document.keys:
        if entry.purpose == purpose and entry.state is State.ACTIVE:
            grown = changed(grown, entry.key_id, Change.RETIRE)
    return grown


def action_bytes(document: KeyringDoc, key_id: str, change: Change) -> bytes:
    """What approvers sign: canonical JSON that a person can read. Raises NoSuchKey."""
    entry = entry_by_id(document, key_id)
    return json_bytes(
        {
            "action": f"bailiwick.dev/keys/{change}",
            "region": document.region,
            "lineage": document.lineage,
            "key_id": entry.key_id,
            "purpose": entry.purpose,
            "version": entry.version,
        }
    )


def approvers_of(document: KeyringDoc) -> ApprovalPolicy | None:
    """Who the keyring itself says may approve; None when nobody was declared."""
    declared = document.approvals
    if declared is None:
        return None
    approvers = {name: from_base64url(key) for name, key in declared.approvers.items()}
    return ApprovalPolicy(approvers, declared.needed)


def approved_by(
    document: KeyringDoc,
    key_id: str,
    change: Change,
    votes: Sequence[Approval],
    policy: ApprovalPolicy | None,
    now: datetime,
) -> Quorum:
    """The quorum for a change, never used before. Raises NotApproved, NoSuchKey."""
    action = action_bytes(document, key_id, change)
    if policy is None:
        raise NotApproved(f"the keyring of `{document.region}` has no approvers, so nobody can {change} its keys")
    quorum = policy.verify(action, votes, now)
    if to_base64url(quorum.nonce) in document.spent:
        raise NotApproved("these approvals were used already; ask for new ones")
    return quorum


def with_spent(document: KeyringDoc, quorum: Quorum) -> KeyringDoc:
    """The document that remembers a quorum's nonce."""
    return document.model_copy(update={"spent": [*document.spent, to_base64url(quorum.nonce)]})
