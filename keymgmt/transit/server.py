"""Whether a key service may be used, and which keys it has: asked before the first use and at every refresh.

Guarantees that a server which is sealed, new, a standby, another cluster than the one that is pinned, or one that
replicates its keys elsewhere is refused under its own name, before anybody logs in.
"""

from keymgmt.keys import KeyFacts
from keymgmt.transit.connection import Answer, VaultConnection
from keymgmt.transit.errors import Sealed, Standby, Uninitialized, WrongServer
from keymgmt.transit.facts import lineage_of, parse_health, parse_key, replication_of
from keymgmt.transit.session import VaultSession


def checked_server(connection: VaultConnection) -> bytes:
    """The lineage of a server that is up, pinned and not replicating its keys elsewhere. Raises KeyServiceError."""
    site = connection.site
    status, answer = connection.health()
    health = parse_health(site, answer)
    if status == 501 or not health.initialized:
        raise Uninitialized(f"`{site.url}` was never initialised; initialise and unseal it")
    if health.sealed:
        raise Sealed(f"`{site.url}` is sealed; unseal it")
    if status not in {200, 429, 473}:
        raise Standby(f"`{site.url}` is a standby that serves nothing (status {status}); name the active node")
    if not health.cluster_id or (site.cluster_id and health.cluster_id != site.cluster_id):
        raise WrongServer(f"`{site.url}` is not the cluster that is pinned for `{site.region}`; find out who answers")
    if replication_of(health) and not site.local_mount:
        raise WrongServer(f"`{site.url}` replicates, so keys of `{site.region}` may lie elsewhere; mount with -local")
    return lineage_of(site, health.cluster_id)


def read_keys(session: VaultSession, lineage: bytes) -> tuple[KeyFacts, ...]:
    """Every version of every key of the region, each fit to be used. Raises KeyServiceError, KeyUnfit."""
    site = session.connection.site
    found: list[KeyFacts] = []
    for purpose, name in site.keys.items():
        found += parse_key(site, purpose, lineage, _read_key(session, name))
    return tuple(found)


def _read_key(session: VaultSession, name: str) -> Answer:
    mount = session.connection.site.mount
    return session.ask(lambda transit: transit.read_key(name, mount_point=mount))
