"""The API server, spoken to in plain dicts: credentials and TLS by the kubernetes client, its models left aside.

The only socket to the cluster. Raises `ClusterUnavailable` for whatever keeps an answer from coming.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from policies.json import Json

_JSON = "application/json"


class ClusterUnavailable(Exception):
    """The API server didn't answer, or not with what was asked for. `status` is its HTTP status, 0 without one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.hint = "check the kubeconfig, the network and this identity's RBAC; `bailiwick doctor` looks at all three"


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Json = None
    content_type: str = _JSON

    def __str__(self) -> str:
        return f"{self.method} `{self.path}`"


class ApiServer:
    """One cluster and one identity. Safe to use from several threads."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def connect(cls, kubeconfig: str | None, *, retries: bool = True) -> "ApiServer":
        """By kubeconfig, or as the pod that we are when it is None. No request is made yet.

        Without `retries` a request takes no longer than its timeout, and is made once.
        """
        from kubernetes import client, config  # half a second: only where a cluster is used
        from yaml import YAMLError

        configuration = client.Configuration()
        if not retries:
            configuration.retries = False
        try:
            if kubeconfig is not None:
                config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
            else:
                config.load_incluster_config(configuration)
        except (config.ConfigException, OSError, ValueError, YAMLError) as error:
            which = "this pod's own account" if kubeconfig is None else f"kubeconfig `{kubeconfig}`"
            missing = kubeconfig is not None and not any(map(os.path.exists, kubeconfig.split(os.pathsep)))
            why = "no such file" if missing else " ".join(str(error).split()).rstrip(".")
            raise ClusterUnavailable(f"no way to the cluster: {which}: {why}") from error
        return cls(client.ApiClient(configuration))

    def get(self, path: str, query: Mapping[str, str] | None = None, timeout: float = 10.0) -> Json:
        """The parsed answer to a GET. `timeout` in seconds for the whole request."""
        return self._parsed(_Request("GET", path, query), timeout)

    def post(self, path: str, body: Json, timeout: float = 10.0) -> Json:
        return self._parsed(_Request("POST", path, body=body), timeout)

    def put(self, path: str, body: Json, timeout: float = 10.0) -> Json:
        return self._parsed(_Request("PUT", path, body=body), timeout)

    def patch(self, path: str, body: Json, query: Mapping[str, str] | None = None, timeout: float = 10.0) -> Json:
        """A JSON merge patch (RFC 7396). With `metadata.resourceVersion` in it: 409 when that is no longer the one."""
        return self._parsed(_Request("PATCH", path, query, body, "application/merge-patch+json"), timeout)

    def watch(self, path: str, query: Mapping[str, str], idle: float) -> Iterator[Json]:
        """Watch events until the API server ends the stream; `idle` seconds of silence end it too."""
        response = self._send(_Request("GET", path, query), (5.0, idle))
        try:
            rest = b""
            for chunk in response.response.stream(64 * 1024):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (orjson.loads(line) for line in lines if line.strip())
        except Exception as error:
            raise ClusterUnavailable(f"watch of `{path}` broke: {type(error).__name__}") from error
        finally:
            response.response.close()

    def _parsed(self, asked: _Request, timeout: float) -> Json:
        response = self._send(asked, timeout)
        try:
            return orjson.loads(response.read())
        except Exception as error:
            raise ClusterUnavailable(f"{asked}: the answer can't be read") from error

    def _send(self, asked: _Request, timeout: Any) -> Any:
        try:
            verb, url, headers, payload, post = self._client.param_serialize(
                asked.method,
                asked.path,
                query_params=list((asked.query or {}).items()),
                header_params={"Accept": _JSON, "Content-Type": asked.content_type},
                body=asked.body,
                auth_settings=["BearerToken"],
            )
            response = self._client.rest_client.request(
                verb, url, headers=headers, body=payload, post_params=post, _request_timeout=timeout
            )
        except Exception as error:
            raise ClusterUnavailable(f"{asked}: {type(error).__name__}: {error}") from error
        if response.status >= 400:
            raise ClusterUnavailable(f"{asked}: {response.status}: {_why(response)}", response.status)
        return response


def _why(response: Any) -> str:
    """A Status object's message; what isn't served at all is answered with plain text."""
    try:
        return str(orjson.loads(response.read())["message"])
    except Exception:  # noqa: BLE001  # the HTTP reason is all there is
        return str(response.reason)
