"""The settings of a region's key service as an operator writes them, checked at the door.

One shape for everything that reaches Vault or OpenBao: the plugin, attestation, reconciliation. Unknown fields are
errors; a value never shows in a message, because a file under a wrong name may hold anybody's secrets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from keymgmt.transit.login import (
    SERVICE_ACCOUNT_TOKEN,
    AppRoleLogin,
    CertificateLogin,
    JwtLogin,
    KubernetesLogin,
    Login,
    TokenLogin,
)
from keymgmt.transit.site import ClientCertificate, TransitSite


class Door(BaseModel):
    """What every part of a settings file has in common."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, alias_generator=to_camel, populate_by_name=False
    )


class RoleSettings(Door):
    """`jwt` and `kubernetes`: a service-account token for a role."""

    role: Annotated[str, Field(min_length=1)]
    token_file: Path = SERVICE_ACCOUNT_TOKEN
    mount: str = ""


class CertificateSettings(Door):
    """`certificate`: the client certificate below is the credential."""

    role: Annotated[str, Field(min_length=1)]
    mount: str = "cert"


class AppRoleSettings(Door):
    """`appRole`: a role id, and a secret id in a file."""

    role_id: Annotated[str, Field(min_length=1)]
    secret_id_file: Path
    mount: str = "approle"


class TokenSettings(Door):
    """`token`: one that somebody else keeps fresh, in a file."""

    file: Path


class LoginSettings(Door):
    """Exactly one way to log in."""

    jwt: RoleSettings | None = None
    kubernetes: RoleSettings | None = None
    certificate: CertificateSettings | None = None
    app_role: AppRoleSettings | None = None
    token: TokenSettings | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "LoginSettings":
        if sum(value is not None for value in vars(self).values()) != 1:
            raise ValueError("name exactly one of jwt, kubernetes, certificate, appRole, token")
        return self

    def login(self) -> Login:
        """As the key service's client takes it."""
        if self.jwt:
            return JwtLogin(self.jwt.role, self.jwt.token_file, self.jwt.mount or "jwt")
        if self.kubernetes:
            return KubernetesLogin(
                self.kubernetes.role, self.kubernetes.token_file, self.kubernetes.mount or "kubernetes"
            )
        if self.certificate:
            return CertificateLogin(self.certificate.role, self.certificate.mount)
        if self.app_role:
            return AppRoleLogin(self.app_role.role_id, self.app_role.secret_id_file, self.app_role.mount)
        assert self.token is not None  # exactly one is there
        return TokenLogin(self.token.file)


class ClientSettings(Door):
    """A client certificate and its key, PEM."""

    certificate: Path
    key: Path


class TransitSettings(Door):
    """Where a region's key service is, and how to know that it is the one."""

    url: str
    ca: Path
    pins: frozenset[str] = frozenset()
    cluster_id: str = ""
    mount: str = "transit"
    namespace: str = ""
    local_mount: bool = False
    client: ClientSettings | None = None
    login: LoginSettings
    deadline: Annotated[float, Field(gt=0, le=60)] = 5.0

    def site(self, region: str, keys: Mapping[str, str], *, deadline: float | None = None) -> TransitSite:
        """The site, for these purposes and key names. Raises ValueError for settings that could reach elsewhere."""
        ends = min(self.deadline, deadline) if deadline else self.deadline
        return TransitSite(
            region,
            self.url,
            self.ca,
            keys,
            pins=self.pins,
            cluster_id=self.cluster_id,
            mount=self.mount,
            namespace=self.namespace,
            client=ClientCertificate(self.client.certificate, self.client.key) if self.client else None,
            local_mount=self.local_mount,
            connecting=min(2.0, ends),
            deadline=ends,
        )
