"""Each check of attestations and transfers is needed: a copy of the package without it fails a test.

Two are tried always, all of them with `BAILIWICK_TEST_LONG=1`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.keymgmt.mutations import Mutation, copied, fails_without, hold_with_all, only_long

TRANSFER, ATTESTATION, RECONCILE = "test_transfer.py", "test_attestation.py", "test_reconcile.py"
EMERGENCY, BOOK = "test_emergency.py", "test_use_book.py"
MUTATIONS = {
    "an opener opens other regions' envelopes": Mutation(
        "envelopes/opening.py", "if unverified.region != self.region:", "if False:", "test_envelopes.py"
    ),
    "a sealer seals for other regions": Mutation(
        "envelopes/sealing.py", "if bound.region != self.region:", "if False:", "test_envelopes.py"
    ),
    "one approver is enough": Mutation(
        "transfer.py", "if approvals.needed < LEAST_APPROVALS:", "if False:", f"{TRANSFER}::test_g7"
    ),
    "votes are not asked for": Mutation(
        "transfer.py",
        "quorum = self._approvals.verify(grant.action(), votes, now)",
        'quorum = Quorum(grant.action(), b"", (), 0)',
        f"{TRANSFER}::test_g7",
        always=True,
    ),
    "the time is not looked at": Mutation(
        "transfer.py", "if not grant.begins <= now < grant.expires:", "if False:", f"{TRANSFER}::test_g4"
    ),
    "the source's region is not compared": Mutation(
        "transfer.py", "if grant.source.region != self._source.region:", "if False:", f"{TRANSFER}::test_g4"
    ),
    "the source's lineage is not compared": Mutation(
        "transfer.py", "if grant.lineage not in", "if None in", f"{TRANSFER}::test_g4"
    ),
    "the binding is not compared": Mutation("transfer.py", "if bound != allowed:", "if False:", f"{TRANSFER}::test_g4"),
    "the envelope's region is not compared": Mutation(
        "transfer.py", "if unverified.region != grant.source.region:", "if False:", f"{TRANSFER}::test_g4"
    ),
    "the destination's region is not compared": Mutation(
        "transfer.py", "if destination.region != grant.destination.region:", "if False:", f"{TRANSFER}::test_g4"
    ),
    "the destination's key is not compared": Mutation(
        "transfer.py", "if found != grant.destination_key:", "if False:", f"{TRANSFER}::test_g4"
    ),
    "uses are not counted": Mutation("ledger.py", "if count > limit:", "if False:", f"{TRANSFER}::test_g4_uses"),
    "uses are not kept": Mutation(
        "ledger.py",
        '_append(handle, json_bytes({**asdict(use), "before": head}) + b"\\n")',
        "pass",
        f"{TRANSFER}::test_g4_uses",
    ),
    "uses may be changed": Mutation(
        "ledger.py", 'and said.pop("before") == head', 'and said.pop("before")', f"{TRANSFER}::test_g10"
    ),
    "half a line is left out": Mutation("ledger.py", "if lines.pop():", "if not lines.pop:", f"{TRANSFER}::test_g10"),
    "others may write the ledger": Mutation("ledger.py", "or found.st_mode & 0o077", "", f"{TRANSFER}::test_g10"),
    "grants without end": Mutation(
        "transfer.py", "or not timedelta() < self.expires - self.begins <= LONGEST", "", f"{TRANSFER}::test_grants"
    ),
    "grants without reason": Mutation(
        "transfer.py",
        "if not self.reason.strip() or not self.legal_basis.strip():",
        "if False:",
        f"{TRANSFER}::test_gr",
    ),
    "grants change the purpose": Mutation(
        "transfer.py", "if self.source.purpose != self.destination.purpose:", "if False:", f"{TRANSFER}::test_grants"
    ),
    "statements are not verified": Mutation(
        "notes.py",
        "Ed25519PublicKey.from_public_bytes(key.public).verify(signed[4:], text.encode())",
        "pass",
        f"{ATTESTATION}::test_g2_no",
        always=True,
    ),
    "the key's name is not compared": Mutation(
        "attestation.py", "if key.name != attester_name(statement.region):", "if False:", f"{ATTESTATION}::test_g2_for"
    ),
    "the asked region is not compared": Mutation(
        "attestation.py",
        "if expected.region is not None and expected.region != statement.region:",
        "if False:",
        f"{ATTESTATION}::test_g2_for",
    ),
    "the asked cluster is not compared": Mutation(
        "attestation.py",
        "if expected.cluster_id is not None and expected.cluster_id != cluster:",
        "if False:",
        f"{ATTESTATION}::test_g2_for",
    ),
    "nonces are not compared": Mutation(
        "attestation.py",
        "if expected.nonce is not None and expected.nonce != statement.nonce:",
        "if False:",
        f"{ATTESTATION}::test_g2_rep",
    ),
    "age is not looked at": Mutation(
        "attestation.py", "if now - issued > expected.age:", "if False:", f"{ATTESTATION}::test_g2_stale"
    ),
    "statements from the future": Mutation(
        "attestation.py", "if issued > now + SKEW:", "if False:", f"{ATTESTATION}::test_g2_stale"
    ),
    "any key may have signed": Mutation(
        "attestation.py",
        "if [key.public for key in own] != [signed_by.public]:",
        "if False:",
        f"{ATTESTATION}::test_a_ret",
    ),
    "key ids are not recomputed": Mutation(
        "attestation.py",
        "if written != [key.key_id for key in statement.facts()] or",
        "if",
        f"{ATTESTATION}::test_g2_the",
    ),
    "a service's keys may leave": Mutation(
        "attestation.py", "if not is_software and loose:", "if False:", f"{ATTESTATION}::test_g2_the"
    ),
    "the lineage is not recomputed": Mutation(
        "attestation.py",
        "if server and _lineage(statement.region, server) != statement.lineage:",
        "if False:",
        f"{ATTESTATION}::test_g2_the",
    ),
    "uses without a record are not told": Mutation(
        "uses/reconcile.py", "            if event.ok:\n", "            if False:\n", f"{RECONCILE}::test_g10_what"
    ),
    "records without a use are not told": Mutation(
        "uses/reconcile.py", "elif missing and (use.ok or missing < 0):", "elif False:", f"{RECONCILE}::test_g10_w"
    ),
    "an empty log explains everything": Mutation(
        "uses/reconcile.py", "return True  # an empty", "return False  # an empty", f"{RECONCILE}::test_g10_what"
    ),
    "exports are not told": Mutation(
        "uses/reconcile.py", "elif event.operation in MOVES and event.ok:", "elif False:", f"{RECONCILE}::test_g10_what"
    ),
    "another region's records are taken": Mutation(
        "uses/reconcile.py", "if use.region != self._region:", "if False:", f"{RECONCILE}::test_g10_what"
    ),
    "a refusal explains a use": Mutation(
        "uses/reconcile.py", "(event.ok == use.ok or use.lost)", "True", f"{RECONCILE}::test_g10_a_ref"
    ),
    "a page taken up twice counts twice": Mutation(
        "uses/leaves.py", "if source and source in seen:", "if False:", f"{RECONCILE}::test_g10_records"
    ),
    "uses without an id are left out of a log's records": Mutation(
        "uses/leaves.py", 'counted.append(("", left))', "pass", f"{RECONCILE}::test_g10_records"
    ),
    "what nobody could read is not told": Mutation(
        "uses/leaves.py", 'if leaf.get("key_operation") == UNREADABLE:', "if False:", f"{RECONCILE}::test_g10_records"
    ),
    "a log has for ever to take a use up": Mutation(
        "uses/reconcile.py", "time + due.grace > max(due.until, end)", "True", f"{RECONCILE}::test_g10_a_log"
    ),
    "more ids than uses are taken": Mutation(
        "uses/reconcile.py", "(use.ok or missing < 0)", "use.ok and missing > 0", f"{RECONCILE}::test_g10_records"
    ),
    "a change is not recorded before it is made": Mutation(
        "uses/use.py", "uses.record(use_of(key, operation, BEGUN))", "pass", f"{BOOK}::test_every_use", always=True
    ),
    "a use is not recorded": Mutation(
        "uses/use.py",
        "uses.record(use_of(key, operation, outcome,",
        "(use_of(key, operation, outcome,",
        f"{BOOK}::test_w",
    ),
    "a page is taken while it is written": Mutation(
        "uses/book.py", "fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass", f"{BOOK}::test_a_page"
    ),
    "what was set aside is taken for lines": Mutation(
        "uses/book.py", 'data[: data.rfind(b"\\n") + 1]', "data", f"{BOOK}::test_what_was_set"
    ),
    "lines that can't be read are not counted": Mutation(
        "uses/tallies.py", "bad += 1", "pass", f"{BOOK}::test_every_line"
    ),
    "request ids are dropped": Mutation(
        "uses/tallies.py", "self.request_ids.append(use.request_id)", "pass", f"{BOOK}::test_every_line"
    ),
    "break-glass without votes": Mutation(
        "emergency.py",
        "quorum = self._approvals.verify(glass.action(), votes, now)",
        'quorum = Quorum(glass.action(), b"", (), 0)',
        f"{EMERGENCY}::test_g7",
    ),
    "break-glass without its record": Mutation(
        "emergency.py",
        "self._alarm.raised(Opening(glass, key, number, quorum, tuple(votes), use.envelope, now))",
        "pass",
        f"{EMERGENCY}::test_g10",
    ),
    "break-glass without end": Mutation(
        "emergency.py", "if not glass.begins <= now < glass.expires:", "if False:", f"{EMERGENCY}::test_g7_break"
    ),
    "break-glass for days": Mutation(
        "emergency.py", "if not timedelta() < self.expires - self.begins <= LONGEST:", "if False:", f"{EMERGENCY}::test"
    ),
    "break-glass by votes that live for days": Mutation(
        "emergency.py", "replace(approvals, longest=LONGEST)", "approvals", f"{EMERGENCY}::test_g7_break_glass_takes"
    ),
    "break-glass for any key": Mutation(
        "emergency.py",
        "if parse_envelope(envelope).key_id != key.id_bytes:",
        "if False:",
        f"{EMERGENCY}::test_g7_break_glass_is",
    ),
    "break-glass for any keyring": Mutation(
        "emergency.py",
        "and to_base64url(key.lineage) == glass.lineage:",
        "and to_base64url(key.lineage):",
        f"{EMERGENCY}::test_g7_break_glass_is",
    ),
    "break-glass for any data": Mutation(
        "emergency.py",
        "if bound != with_tenant(glass.bound, bound.tenant):",
        "if False:",
        f"{EMERGENCY}::test_g7_break_glass_is",
    ),
    "break-glass of any region": Mutation(
        "emergency.py",
        "if glass.bound.region != self._ring.region:",
        "if False:",
        f"{EMERGENCY}::test_g7_break_glass_is",
    ),
    "break-glass without counting": Mutation(
        "emergency.py",
        "number = self._ledger.spend(use, glass.uses)",
        "number = 1",
        f"{EMERGENCY}::test_g7_break_glass_is_counted",
    ),
    "break-glass without a reason": Mutation(
        "emergency.py", "if not self.reason.strip() or len", "if len", f"{EMERGENCY}::test_permissions"
    ),
    "a revoked version opens without break-glass": Mutation(
        "file/keyring.py",
        "            check_opening(entry.key_id, entry.state)\n            return hpke",
        "            return hpke",
        f"{EMERGENCY}::test_g7",
    ),
    "revoked keys open": Mutation(
        "states.py", "if Use.OPEN not in MAY[state]:", "if False:", "test_key_states.py::revoked-open"
    ),
    "revoked keys verify": Mutation(
        "public.py", "if Use.VERIFY not in MAY[key.state]:", "if False:", "test_key_states.py::revoked-verify"
    ),
    "replication is not looked at": Mutation(
        "attestation.py",
        "if server and (server.replicates and not server.local_mount):",
        "if False:",
        f"{ATTESTATION}::test_a_rep",
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("mutations"), ("tests/audit",))


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_the_check_a_test_fails(tree: Path, name: str) -> None:
    """It fails because of an assertion, in the copy without the check, and only there."""
    fails_without(tree, MUTATIONS[name])


@only_long
def test_with_all_checks_they_hold(tree: Path) -> None:
    """The unchanged copy passes: what fails above fails for want of the check."""
    hold_with_all(tree, MUTATIONS.values())
