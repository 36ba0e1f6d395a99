"""The key of a witness: in a keyring of its own in the state directory, made when there is none."""

from datetime import UTC, datetime
from pathlib import Path

from audit.tlog.notes import NoteSigner
from keymgmt.file.keyring import FileKeyring
from keymgmt.file.unlock import KeyFile
from keymgmt.keys import Algorithm

PURPOSE = "audit-witness"


def witness_signer(state: Path, region: str, name: str) -> NoteSigner:
    """Signs as the witness of this name. Raises what opening a keyring raises."""
    directory = state / "witness-keys"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    unlock = KeyFile(directory / "unlock.key")
    if not unlock.path.exists():
        KeyFile.create(unlock.path)
        purposes = {PURPOSE: Algorithm.ED25519}
        FileKeyring.create(directory, region, unlock=unlock, now=datetime.now(UTC), purposes=purposes)
    return FileKeyring.open(directory, region, unlock=unlock).signer(PURPOSE, name)
