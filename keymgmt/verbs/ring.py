"""What the verbs on a file keyring share: how it is named and unlocked, and how its errors are told."""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keymgmt.errors import KeyManagementError

if TYPE_CHECKING:
    from keymgmt.approvals import ApprovalPolicy
    from keymgmt.choosing import AnyKeyring
    from keymgmt.file.keyring import FileKeyring
    from keymgmt.file.unlock import Unlock
    from keymgmt.keys import KeyFacts
    from keymgmt.uses.book import UseBook
    from keymgmt.uses.use import KeyUses


class Mistake(click.ClickException):
    """A refusal with what to do next."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@contextmanager
def told() -> Iterator[None]:
    """Our package's errors for people: what is wrong, and after its last semicolon what to do."""
    try:
        yield
    except KeyManagementError as error:
        said, _, advice = str(error).rpartition("; ")
        hint = getattr(error, "hint", None) or (advice if said else None)
        raise Mistake(said or advice, hint) from error


def ring_options(call: Callable[..., Any]) -> Callable[..., Any]:
    """DIRECTORY, --region and the ways to unlock, given to the verb as `directory`, `region` and `unlock`."""

    @click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
    @click.option("--region", required=True, help="Whose keyring.")
    @click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE", help="32 bytes, mode 600, unlock it.")
    @click.option("--credential", metavar="NAME", help="A systemd credential of 32 bytes unlocks it.")
    @click.option("--passphrase", is_flag=True, help="A passphrase unlocks it; it is asked for.")
    @functools.wraps(call)
    def wrapped(
        directory: Path, region: str, key_file: Path | None, credential: str | None, passphrase: bool, **more: Any
    ) -> Any:
        with told():
            return call(directory, region, unlock_of(key_file, credential, passphrase), **more)

    return wrapped


def unlock_of(key_file: Path | None, credential: str | None, passphrase: bool) -> "Unlock":
    """The one way that was chosen. Raises Mistake for none or several."""
    if sum((key_file is not None, credential is not None, passphrase)) != 1:
        raise Mistake("a keyring is unlocked in exactly one way", "give --key-file, --credential or --passphrase")
    from keymgmt.file.unlock import Credential, KeyFile, Passphrase
    from keymgmt.secret import Secret

    if key_file is not None:
        return KeyFile(key_file)
    if credential is not None:
        return Credential(credential, os.environ)
    return Passphrase(Secret(click.prompt("passphrase", hide_input=True, err=True).encode()))


def opened(directory: Path, region: str, unlock: "Unlock") -> "FileKeyring":
    """The keyring; what is done with it is written into the book beside it."""
    from keymgmt.file.keyring import FileKeyring

    return FileKeyring.open(directory, region, unlock=unlock, uses=book_beside(directory, region))


def book_beside(directory: Path, region: str) -> "UseBook":
    """The book of this command, beside a region's keyring."""
    from keymgmt.uses.book import uses_beside

    return book_of(uses_beside(directory, region))


def book_of(folder: Path) -> "UseBook":
    """A book of key uses for this command, whose name stands in it; finished when the command ends."""
    from keymgmt.uses.book import UseBook

    context = click.get_current_context(silent=True)
    book = UseBook(folder, str(context.info_name) if context else "")
    if context:
        context.call_on_close(book.close)
    return book


@dataclass(frozen=True, slots=True)
class Chosen:
    """A keyring, and what its settings say beside it."""

    ring: "AnyKeyring"
    jurisdiction: str
    approvals: "ApprovalPolicy | None"
    uses: "KeyUses"  # where uses are recorded; those of its private keys it records itself

    def sealed(self, key_id: str, known: "Sequence[KeyFacts]" = ()) -> None:
        """Record that something was sealed to this key, of this ring or another's. Raises UseUnrecorded."""
        from keymgmt.uses.use import use_of

        for key in known or self.ring.keys():
            if key.key_id == key_id:
                self.uses.record(use_of(key, "encrypt", "ok", asked=False))


def keyring_options(call: Callable[..., Any]) -> Callable[..., Any]:
    """A file keyring, or any by --keyring, given to the verb as `chosen`."""

    @click.option("--keyring", type=click.Path(path_type=Path), metavar="FILE", help="Settings, `kind: Keyring`.")
    @click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Of a file keyring.")
    @click.option("--region", help="Whose keyring; with --directory.")
    @click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE", help="32 bytes, mode 600, unlock it.")
    @click.option("--credential", metavar="NAME", help="A systemd credential of 32 bytes unlocks it.")
    @click.option("--passphrase", is_flag=True, help="A passphrase unlocks it; it is asked for.")
    @functools.wraps(call)
    def wrapped(
        keyring: Path | None,
        directory: Path | None,
        region: str | None,
        key_file: Path | None,
        credential: str | None,
        passphrase: bool,
        **more: Any,
    ) -> Any:
        with told():
            if (keyring is None) == (directory is None or region is None):
                raise Mistake("one keyring is needed", "give --keyring FILE, or --directory and --region")
            if keyring is not None:
                return call(_chosen(keyring), **more)
            assert directory is not None and region is not None  # as checked above
            return call(_in_directory(directory, region, unlock_of(key_file, credential, passphrase)), **more)

    return wrapped


def _in_directory(directory: Path, region: str, unlock: "Unlock") -> Chosen:
    from keymgmt.file.keyring import FileKeyring

    book = book_beside(directory, region)
    ring = FileKeyring.open(directory, region, unlock=unlock, uses=book)
    return Chosen(ring, ring.jurisdiction, ring.approvals, book)


def _chosen(path: Path) -> Chosen:
    from keymgmt.choosing import load_keyring_file
    from keymgmt.file.keyring import FileKeyring

    settings = load_keyring_file(path)
    policy = settings.policy()
    book = book_of(settings.book_folder(path.parent))
    ring = settings.connect(os.environ, book)
    if isinstance(ring, FileKeyring):
        return Chosen(ring, ring.jurisdiction, ring.approvals, book)
    return Chosen(ring, settings.jurisdiction, policy, book)
