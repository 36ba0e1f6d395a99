"""A Kubernetes API server as the tests see it: requests answered with plain dicts, kubectl, and waiting.

Works against any server whose kubeconfig is at hand; what only the bed of this folder can do is in `control_plane`.
Objects are dicts throughout, because what the API server really sends is what is being tested.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from tests.cluster.bed.processes import BedError, wait_until

Json = dict[str, Any]

CLIENT = {"User-Agent": "bed"}  # managedFields and audit events name the requests' author by it
WAIT = 30.0  # seconds until a wait for something in the cluster is given up
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')  # RFC 9111 section 5.5, as API servers still send it


class RequestFailed(BedError):
    """The API server answered with an error status; the message has its reason."""


class KubectlFailed(BedError):
    """kubectl ended with an error; the message has its stderr."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who asks. One that the server has no credentials for is impersonated by the admin."""

    name: str
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()  # key and value; only for somebody who is impersonated
    token: str = ""  # a bearer token of their own, for instance a service account's


class Reply(NamedTuple):
    """An API server's answer: the status, the object or `Status`, and its warnings."""

    status: int
    body: Json
    warnings: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The words of an error, empty for a success."""
        return str(self.body.get("message", "")) if self.status >= 400 else ""

    def ok(self) -> Json:
        """Return the object; raise RequestFailed for an error status."""
        if self.status >= 400:
            raise RequestFailed(f"the API server answered {self.status}: {self.message or self.body}")
        return self.body


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API server is and how its admin is let in."""

    url: str
    kubeconfig: Path
    ca_bundle: Path | None  # None: the system's certificates
    headers: Mapping[str, str]
    client_certificate: tuple[str, str] | None = None  # paths of certificate and key

    def tls(self) -> ssl.SSLContext:
        """The client's side of TLS for this server."""
        context = ssl.create_default_context(cafile=self.ca_bundle)
        if self.client_certificate:
            context.load_cert_chain(*self.client_certificate)
        return context


class Cluster:
    """An API server with an admin's access to it."""

    webhook_host: str | None = None  # this machine's address as the API server sees it; None when it sees none

    def __init__(self, access: Access, *, kubectl: Callable[[], Path], scratch: Path) -> None:
        self.access = access
        self._find_kubectl, self._scratch = kubectl, scratch
        self._http = httpx.Client(
            base_url=access.url, verify=access.tls(), timeout=WAIT, trust_env=False, headers=CLIENT
        )

    @property
    def url(self) -> str:
        """The API server's address."""
        return self.access.url

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig."""
        return self.access.kubeconfig

    @property
    def ca_bundle(self) -> Path | None:
        """The certificates that the API server's own is signed by, in PEM."""
        return self.access.ca_bundle

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        as_user: User | None = None,
        params: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Reply:
        """Ask the API server; any status is an answer, only a broken connection raises (httpx.HTTPError).

        A PATCH is a merge patch unless `content_type` says otherwise.
        """
        kind = content_type or ("application/merge-patch+json" if method == "PATCH" else "application/json")
        headers = [*self.credentials(as_user), ("Content-Type", kind)]
        content = None if body is None else json.dumps(body)
        response = self._http.request(method, path, content=content, params=params, headers=headers)
        warnings = tuple(
            re.sub(r"\\(.)", r"\1", text) for text in _WARNING.findall(response.headers.get("warning", ""))
        )
        return Reply(response.status_code, _object(response), warnings)

    def credentials(self, user: User | None) -> list[tuple[str, str]]:
        """The headers that make the server see this user, or the admin."""
        admin = list(self.access.headers.items())
        if user is None:
            return admin
        if user.token:
            return [("Authorization", f"Bearer {user.token}")]
        groups = [("Impersonate-Group", group) for group in user.groups]
        extra = [(f"Impersonate-Extra-{quote(key, safe='')}", value) for key, value in user.extra]
        return [*admin, ("Impersonate-User", user.name), *groups, *extra]

    def kubectl(
        self, *arguments: str | Path, stdin: str | None = None, as_user: User | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; raise KubectlFailed with its stderr unless `check` is off."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self._scratch)}
        command = [str(self._find_kubectl()), *self.kubectl_identity(as_user), *map(str, arguments)]
        done = subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise KubectlFailed(f"`kubectl {' '.join(map(str, arguments))}` failed: {done.stderr.strip()}")
        return done

    def kubectl_identity(self, user: User | None) -> list[str]:
        """The flags that make kubectl act as this user."""
        if user is None:
            return []
        return [f"--as={user.name}", *(f"--as-group={group}" for group in user.groups)]

    def check(self) -> None:
        """Raise BedError when something that this cluster needs has died."""

    def wait_for(self, what: str, probe: Callable[[], bool], *, seconds: float = WAIT) -> None:
        """Return when `probe` answers true; raise BedError when it doesn't in time, or when a server has died."""
        wait_until(probe, seconds=seconds, what=what, check=self.check)

    def create_namespace(self, name: str | None = None, *, labels: Mapping[str, str] | None = None) -> str:
        """Make a namespace (of a name never used before, when none is given) that is settled: pods can be made in it.

        Controllers make nothing more in it by themselves.
        """
        name = name or f"bed-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": dict(labels or {})}
        self.request("POST", "/api/v1/namespaces", {"metadata": metadata}).ok()
        # no pod is admitted before the account exists; the certificates would be an unexpected request in a test
        for made in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
            path = f"/api/v1/namespaces/{name}/{made}"
            self.wait_for(f"`{made}` in namespace `{name}`", partial(self._exists, path))
        return name

    def _exists(self, path: str) -> bool:
        return self.request("GET", path).status == 200

    def grant(self, user: User, role: str, namespace: str) -> None:
        """Bind a ClusterRole to the user inside one namespace."""
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"generateName": f"{role}-"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user.name}],
        }
        self.request("POST", f"/apis/{group}/v1/namespaces/{namespace}/rolebindings", binding).ok()

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a fresh token of a service account, good for an hour."""
        asked = {"spec": {"expirationSeconds": 3600}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = self.request("POST", path, asked).ok()["status"]["token"]
        target = self._scratch / f"{namespace}-{name}.kubeconfig"
        return write_kubeconfig(target, url=self.url, ca_bundle=self.ca_bundle, user=name, token=token)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def external(kubeconfig: Path, *, kubectl: Callable[[], Path], scratch: Path) -> Cluster:
    """The cluster that a kubeconfig's current context names."""
    # late, because it takes a second and only people with a cluster of their own come here
    from kubernetes import client, config

    settings = client.Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
    authorization = settings.get_api_key_with_prefix("BearerToken", alias="authorization")
    pair = (settings.cert_file or "", settings.key_file or "")
    access = Access(
        url=settings.host,
        kubeconfig=kubeconfig,
        ca_bundle=Path(settings.ssl_ca_cert) if settings.ssl_ca_cert else None,
        headers={"Authorization": authorization} if authorization else {},
        client_certificate=pair if all(pair) else None,
    )
    cluster = Cluster(access, kubectl=kubectl, scratch=scratch)
    cluster.webhook_host = os.environ.get("BAILIWICK_TEST_WEBHOOK_HOST")
    return cluster


def kubectl_on_path() -> Path | None:
    """The machine's own kubectl, if it has one."""
    found = shutil.which("kubectl")
    return Path(found) if found else None


def write_kubeconfig(path: Path, *, url: str, ca_bundle: Path | None, user: str, token: str) -> Path:
    """Write a kubeconfig with one cluster and one user."""
    cluster: Json = {"server": url}
    if ca_bundle:
        cluster["certificate-authority"] = str(ca_bundle)
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bed", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": user}}],
        "current-context": "bed",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(text, indent=1))
    return path


def node_affinity(key: str, values: Sequence[str]) -> Json:
    """A pod's affinity that requires a node label to have one of these values."""
    expression = {"key": key, "operator": "In", "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _object(response: httpx.Response) -> Json:
    """The body when it is a JSON object; anything else, such as a health check's text, as a message."""
    try:
        body = response.json()
    except ValueError:
        return {"message": response.text}
    return body if isinstance(body, dict) else {"message": response.text}
