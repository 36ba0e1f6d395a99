"""A region's authority, its servers, and secrets that must not reach a wrong one."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from keymgmt.errors import KeyServiceError
from keymgmt.secret import Secret
from keymgmt.transit.connection import VaultConnection
from keymgmt.transit.site import TransitSite
from tests.keymgmt.authority import Authority, Pair
from tests.keymgmt.canaries import Canaries
from tests.keymgmt.vault_double import VaultDouble

DE = "urn:bailiwick:region:eu-de"
FR = "urn:bailiwick:region:eu-fr"


@dataclass
class Scene:
    """A region's CA, its servers, and secrets that must not reach a wrong one."""

    folder: Path
    canaries: Canaries
    stack: ExitStack
    ca: Authority
    token: Secret = field(init=False)
    plaintext: str = field(init=False)

    def __post_init__(self) -> None:
        self.token = Secret(self.canaries.text("token").encode())
        self.plaintext = self.canaries.text("plaintext")

    def server(self, pair: Pair, **options: Any) -> VaultDouble:
        """A running server."""
        return self.stack.enter_context(VaultDouble(pair, **options).running())

    def site(self, server: VaultDouble, **changes: Any) -> TransitSite:
        """Settings that lead to a server."""
        settings = {"deadline": 1.5, "connecting": 1.0, "attempts": 1} | changes
        return TransitSite("eu-de", server.url, self.ca.bundle, {"audit-archive": "seal"}, **settings)

    def ask(self, site: TransitSite) -> dict[str, Any]:
        """Send token and plaintext to a site."""
        connection = VaultConnection(site)
        try:
            return connection.call("POST", "/v1/transit/encrypt/seal", self.token, {"plaintext": self.plaintext})
        finally:
            connection.close()

    def refused(self, site: TransitSite) -> KeyServiceError:
        """The error that asking a site ends with, which shows none of the secrets."""
        with pytest.raises(KeyServiceError) as failure:
            self.ask(site)
        assert self.canaries.seen_with(failure.value) == []
        assert "\n" not in str(failure.value)
        assert failure.value.__context__ is None
        return failure.value
