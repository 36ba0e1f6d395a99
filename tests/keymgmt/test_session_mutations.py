"""Each check of the sessions with key services and modules, of approvals and of keyrings is needed.

A copy of the package without one of them fails a test. Two are tried always, all with `BAILIWICK_TEST_LONG=1`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.keymgmt.mutations import Mutation, copied, fails_without, hold_with_all, only_long

LINE, TROUBLE, RING, BELIEVED, FAILING, LOGIN, FILE, FILES, HARD = (
    "test_transit_connection.py",
    "test_transit_trouble.py",
    "test_transit_keyring.py",
    "test_transit_believed.py",
    "test_transit_failing.py",
    "test_transit_login.py",
    "test_file_keyring.py",
    "test_keyring_files.py",
    "hardware",
)
MUTATIONS = {
    "the server's region is not looked at": Mutation(
        "transit/tls.py", "if regions != [site.urn]:", "if False:", f"{LINE}::test_wrong_servers", always=True
    ),
    "one of several regions is enough": Mutation(
        "transit/tls.py", "if regions != [site.urn]:", "if site.urn not in regions:", f"{LINE}::test_wrong_servers"
    ),
    "keys are not pinned": Mutation(
        "transit/tls.py",
        "if site.pins and spki_pin(certificate) not in site.pins:",
        "if False:",
        f"{LINE}::test_wrong_servers",
    ),
    "servers are not looked at before the first byte": Mutation(
        "transit/tls.py",
        "check_server(site, self.sock.getpeercert(binary_form=True))",
        "pass",
        f"{LINE}::test_wrong_servers",
    ),
    "older TLS": Mutation(
        "transit/tls.py",
        "context.minimum_version = ssl.TLSVersion.TLSv1_3",
        "context.minimum_version = ssl.TLSVersion.TLSv1_2",
        f"{LINE}::test_wrong_servers",
    ),
    "public authorities too": Mutation(
        "transit/tls.py",
        "context.load_verify_locations(cadata=site.ca.read_text())",
        "context.load_verify_locations(cadata=site.ca.read_text()); context.load_default_certs()",
        f"{LINE}::test_public_auth",
    ),
    "any address": Mutation(
        "transit/tls.py",
        'if not (request.url or "").startswith(self._site.url + "/"):',
        "if False:",
        f"{LINE}::test_the_transport_knows",
    ),
    "a redirect counts as an answer": Mutation(
        "transit/connection.py",
        "    if 300 <= status < 400:\n        return Redirected(f",
        "    if False:\n        return Redirected(f",
        f"{LINE}::test_redirects_that",
    ),
    "answers without end": Mutation(
        "transit/connection.py",
        "            if len(body) > self.site.largest:\n",
        "            if False:\n",
        f"{TROUBLE}::test_answers_are_bounded",
    ),
    "encodings that were not asked for": Mutation(
        "transit/connection.py",
        'if "Content-Encoding" in response.headers:',
        "if False:",
        f"{TROUBLE}::test_misbehaviour",
    ),
    "slow bytes": Mutation(
        "transit/connection.py",
        "            with watch.running():\n",
        "            if True:\n",
        f"{TROUBLE}::test_a_kept",
    ),
    "the cluster is not pinned": Mutation(
        "transit/server.py",
        "if not health.cluster_id or (site.cluster_id and health.cluster_id != site.cluster_id):",
        "if not health.cluster_id:",
        f"{BELIEVED}::test_another_cluster",
    ),
    "another cluster while running": Mutation(
        "transit/keyring.py",
        "            if lineage != self._lineage:\n",
        "            if False:\n",
        f"{BELIEVED}::test_another",
    ),
    "replication is not looked at": Mutation(
        "transit/server.py",
        "if replication_of(health) and not site.local_mount:",
        "if False:",
        f"{BELIEVED}::test_the_state",
    ),
    "a sealed server is used": Mutation(
        "transit/server.py", "    if health.sealed:\n", "    if False:\n", f"{BELIEVED}::test_the_state"
    ),
    "signatures are not verified": Mutation(
        "transit/keyring.py",
        "            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)\n",
        "",
        f"{BELIEVED}::test_bad_sig",
    ),
    "a data key of any size": Mutation(
        "transit/keyring.py",
        "            if len(data_key) != DATA_KEY_SIZE:\n",
        "            if False:\n",
        f"{FAILING}::test_opening_fails",
    ),
    "withdrawn versions are asked for": Mutation(
        "transit/keyring.py",
        "        check_opening(key.key_id, key.state)\n",
        "",
        f"{RING}::test_with",
    ),
    "keys that could leave": Mutation(
        "transit/facts.py", "    if broken:\n", "    if False:\n", f"{BELIEVED}::test_keys_that"
    ),
    "restored servers": Mutation(
        "transit/facts.py",
        "if (same is not None and same.key_id != key.key_id) or key.version > latest.get(key.purpose, 0):",
        "if False:",
        f"{BELIEVED}::test_a_restored",
    ),
    "any type of key": Mutation(
        "transit/facts.py", "    if key.type not in ALGORITHMS:\n", "    if False:\n", f"{BELIEVED}::test_keys_of"
    ),
    "one approver twice": Mutation(
        "approvals.py",
        'or ("duplicate vote" if vote.approver in counted else None)',
        "",
        "test_approvals.py",
    ),
    "too few approvers": Mutation("approvals.py", "if len(counted) < self.needed:", "if False:", "test_approvals.py"),
    "votes for another action": Mutation(
        "approvals.py",
        "Ed25519PublicKey.from_public_bytes(key).verify(vote.signature, signed)",
        "pass",
        "test_approvals.py",
    ),
    "votes without end": Mutation(
        "approvals.py", "if vote.expires - vote.issued > self.longest:", "if False:", "test_approvals.py"
    ),
    "expired votes": Mutation("approvals.py", "if now >= vote.expires:", "if False:", "test_approvals.py"),
    "votes of different requests": Mutation(
        "approvals.py", "if len({vote.nonce for vote in votes}) > 1:", "if False:", "test_approvals.py"
    ),
    "approvals count again": Mutation(
        "file/changes.py", "if to_base64url(quorum.nonce) in document.spent:", "if False:", FILE
    ),
    "a keyring without its MAC": Mutation(
        "file/held.py", "        if not locksmith.is_authentic(document):\n", "        if False:\n", FILES
    ),
    "a keyring that went back": Mutation(
        "file/held.py", "        if not extends(document, self.head):\n", "        if False:\n", FILES
    ),
    "a keyring that went back over a restart": Mutation(
        "file/held.py", "if seen is not None and not extends(document, seen):", "if False:", FILES
    ),
    "key ids beside other keys": Mutation(
        "written.py", "if key.key_id != written.key_id:", "if False:", "test_public_keyring.py"
    ),
    "unpinned keys": Mutation(
        "public.py",
        "if found is not None and self._pins and key.key_id not in self._pins:",
        "if False:",
        "test_public_keyring.py",
    ),
    "an older public part": Mutation(
        "public.py",
        "        if document.generation < known.generation:\n",
        "        if False:\n",
        "test_public_keyring.py",
    ),
    "a module's keys that could leave": Mutation(
        "hardware/versions.py", "if broken := key.attributes.broken:", "if broken := ():", f"{HARD}::test_unfit"
    ),
    "a module's register that went back": Mutation(
        "hardware/keyring.py",
        "if self._head is not None and (register is None or not extends(register, self._head)):",
        "if False:",
        f"{HARD}::test_a_register",
    ),
    "a module's newest key is just gone": Mutation(
        "hardware/versions.py", "if key is not None or not may_go:", "if False:", f"{HARD}::test_rotation_and"
    ),
    "a module's revoked keys open": Mutation(
        "hardware/keyring.py",
        '        with self._used("decrypt", key):\n            check_opening(key.key_id, key.state)\n',
        '        with self._used("decrypt", key):\n',
        f"{HARD}::test_rotated_rew",
        always=True,
    ),
    "no device is hardware": Mutation(
        "hardware/keyring.py",
        '"hardware" if self._token.about().hardware_slot else "software"',
        '"hardware"',
        f"{HARD}::test_seal",
    ),
    "statements of modules are not held to their token": Mutation(
        "attestation.py",
        "    if to_base64url(lineage) != statement.lineage:\n",
        "    if False:\n",
        f"{HARD}::test_g2_a_module",
    ),
    "statements of modules whose keys could leave": Mutation(
        "attestation.py",
        "or not all(module.keys[key_id].stayed for key_id in used)",
        "",
        f"{HARD}::test_g2_a_module",
    ),
    "hardware is what calls itself so": Mutation(
        "attestation.py",
        "if statement.assurance != place or (server and statement.module):",
        "if False:",
        f"{HARD}::test_g2_a_module",
    ),
    "a refused PIN is tried again": Mutation(
        "hardware/token.py",
        "if not pin or hashlib.sha256(pin.reveal()).digest() == self._refused:",
        "if not pin:",
        f"{HARD}::test_a_refused",
    ),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(
        tmp_path_factory.mktemp("mutations"), ("audit", "policies/version.py", "tests/cluster", "tests/vectors")
    )


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_the_check_a_test_fails(tree: Path, name: str) -> None:
    """It fails because of an assertion, in the copy without the check, and only there."""
    fails_without(tree, MUTATIONS[name])


@only_long
def test_with_all_checks_they_hold(tree: Path) -> None:
    """The unchanged copy passes: what fails above fails for want of the check."""
    hold_with_all(tree, MUTATIONS.values())
