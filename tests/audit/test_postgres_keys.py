"""By whose key a shared log is signed, and how its replicas go over to a rotated one."""

import threading

import pytest

from audit import LogRefused
from audit.checks.verify import verify_log
from audit.key_changes import SIGNING, KeyringBehind, KeyringForeign, KeysInUse
from audit.mirror import Mirror
from audit.reading import read_records
from audit.tlog import parse_note
from tests.audit.backends import Tables
from tests.audit.worlds import NoteKey, decision, until


def test_another_key_is_refused_until_the_owner_adds_it(tables: Tables) -> None:
    """A replica with another signing key than the log's can't join, but after a rotation that the owner recorded."""
    tables.open().close_now()
    other = NoteKey(seed=b"\x31" * 32)
    with pytest.raises(LogRefused, match="give all replicas one keyring"):
        tables.open(signer=other, boot="boot-2")
    tables.execute(f"INSERT INTO bailiwick.log_key SELECT log, '{other.verifier()}' FROM bailiwick.log")
    tables.open(signer=other, boot="boot-2").close_now()


def _used(key: NoteKey, *before: NoteKey) -> KeysInUse:
    used = {SIGNING: str(key.verifier()), "audit-tags": f"tags-{key.seed[0]}"}
    return KeysInUse(used, frozenset(str(one.verifier()) for one in before))


def test_replicas_go_over_to_a_key_together(tables: Tables) -> None:
    """Of replicas that announce a rotated key at once one writes the record; who has the old one signs no later size.

    Signing goes over to a replica that has the key, and comes back to the other once it has it too.
    """
    old, new = NoteKey(), NoteKey(seed=b"\x32" * 32)
    signers = [NoteKey(), NoteKey(), NoteKey()]
    logs = [tables.open(name=f"bailiwick-{at}", signer=signer) for at, signer in enumerate(signers)]
    for log in logs:
        log.announce(_used(old))
        log.append_now(decision(1))
    until(lambda: logs[0].status().signed >= 6)  # the first publishes
    threads = [threading.Thread(target=log.announce, args=[_used(new, old)]) for log in logs[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for signer in signers[1:]:
        signer.seed = new.seed
    size = logs[0].append_now(decision(2)).index + 1
    until(lambda: logs[1].status().signed >= size, seconds=10)
    signers[0].seed = new.seed
    logs[0].announce(_used(new, old))
    logs[2].close_now()
    logs[1].close_now()
    size = logs[0].append_now(decision(3)).index + 1
    until(lambda: logs[0].status().signed >= size, seconds=10)
    logs[0].close_now()
    keys = [old.verifier(), new.verifier()]
    copy = Mirror(tables.published(), tables.folder / "both", keys)
    copy.open()
    copy.round()
    copy.close()
    told = [r for r in read_records(tables.folder / "both") if "key-rotation" in r.fields["schema"]]
    assert [(r.fields["purpose"], r.fields["new_key"]) for r in told] == sorted(_used(new).used.items())
    rows = tables.execute("SELECT size, note FROM bailiwick.note ORDER BY size")
    signed = {size: parse_note(bytes(note)).verified_by(keys) for size, note in rows}  # type: ignore[call-overload]
    at = next(r.index for r in told if r.fields["purpose"] == SIGNING)
    assert all(found == ((keys[1],) if size > at else (keys[0],)) for size, found in signed.items()), (at, signed)
    assert verify_log(tables.folder / "both", keys).ok


def test_a_keyring_that_is_behind_or_anothers(tables: Tables) -> None:
    """A replica whose keys were replaced already appends and signs nothing; another keyring's keys are refused."""
    old, new, other = NoteKey(), NoteKey(seed=b"\x33" * 32), NoteKey(seed=b"\x34" * 32)
    first = tables.open(name="bailiwick-1", signer=NoteKey(), keys=_used(old))
    first.announce(_used(new, old))
    with pytest.raises(KeyringBehind, match="newer"):
        first.announce(_used(old))
    with pytest.raises(KeyringForeign, match="one keyring"):
        first.announce(_used(other))
    first.append_now(decision(1))
    assert first.healthy()
    first.close_now()
    behind = tables.open(name="bailiwick-2", signer=NoteKey(), keys=_used(old))
    behind.append_now(decision(2))
    until(lambda: "another key signs" in behind.status().trouble)
    behind.close_now()
    with pytest.raises(LogRefused, match="one keyring"):
        tables.open(name="bailiwick-3", signer=other, keys=_used(other))
    last = tables.open(name="bailiwick-4", signer=new, keys=_used(new, old))
    until(lambda: last.status().signed == last.status().size)
    last.close_now()


def test_a_key_rotated_while_nobody_ran(tables: Tables) -> None:
    """Replicas that start with a rotated keyring write the record of it before anything is signed by it, once."""
    old, new = NoteKey(), NoteKey(seed=b"\x35" * 32)
    tables.open(keys=_used(old)).close_now()
    for boot in ("boot-2", "boot-3"):
        log = tables.open(boot=boot, signer=new, keys=_used(new, old))
        until(lambda log=log: log.status().signed == log.status().size)  # type: ignore[misc]
        log.close_now()
    rows = tables.execute("SELECT count(*) FROM bailiwick.key_used WHERE at > 0 AND purpose = 'audit-checkpoint'")
    assert rows == [(1,)]
    bodies = b"".join(bytes(body) for (body,) in tables.execute("SELECT body FROM bailiwick.batch"))  # type: ignore[call-overload]
    assert bodies.count(b'"schema":"bailiwick.key-rotation/') == 2  # one of each purpose
