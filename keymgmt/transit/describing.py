"""What a key service says of itself and of what its caller may do, for attestations. Only reads."""

from typing import Any

from keymgmt.attestation import ServerClaim
from keymgmt.transit.errors import AnswerInvalid
from keymgmt.transit.facts import KeySettings, parse_health, parse_key_settings, replication_of
from keymgmt.transit.session import VaultSession
from keymgmt.transit.site import TransitSite

# what could carry a key away, end it, or change what it is
MOVING = ("export/encryption-key/{}", "export/signing-key/{}", "backup/{}", "keys/{}/config", "keys/{}/rotate")
USING = ("keys/{}", "sign/{}", "decrypt/{}")


def describe(session: VaultSession) -> tuple[ServerClaim, dict[str, KeySettings]]:
    """Server and keys. Raises KeyServiceError."""
    site = session.connection.site
    keys = {
        purpose: parse_key_settings(site, name, session.get(f"/v1/{site.mount}/keys/{name}"))
        for purpose, name in site.keys.items()
    }
    return _server(session, site), keys


def _server(session: VaultSession, site: TransitSite) -> ServerClaim:
    _, answer = session.connection.health()
    health = parse_health(site, answer)
    modes = replication_of(health)
    return ServerClaim(
        url=site.url,
        urn=site.urn,
        pins=sorted(site.pins),
        cluster_id=health.cluster_id,
        version=health.version,
        mount=site.mount,
        namespace=site.namespace,
        replicates=bool(modes),
        local_mount=site.local_mount,
        policies=_texts(site, session.get("/v1/auth/token/lookup-self").get("data"), "policies"),
        permissions=_permissions(session, site),
    )


def _permissions(session: VaultSession, site: TransitSite) -> dict[str, list[str]]:
    names = sorted(set(site.keys.values()))
    paths = [f"{site.mount}/{path.format(name)}" for name in names for path in (*MOVING, *USING)]
    answer = session.post("/v1/sys/capabilities-self", {"paths": paths}).get("data")
    return {path: _texts(site, answer, path) for path in paths}


def _texts(site: TransitSite, answer: Any, name: str) -> list[str]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise AnswerInvalid(f"`{site.url}` does not say what its caller's `{name}` are")
    return sorted(found)
