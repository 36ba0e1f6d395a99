"""The bed's own control plane: etcd, kube-apiserver, kube-scheduler, kube-controller-manager and kwok on loopback.

Real servers with real authorization (Node, RBAC), the NodeRestriction plugin and an audit log; only nodes and kubelets
are played, by kwok. Everything lies in one folder, and ends with the process that started it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.cluster.bed import build, layout
from tests.cluster.bed.cluster import Access, Cluster, Json, User
from tests.cluster.bed.processes import BedError, Household, Port

READY_WITHIN = 60.0  # seconds; three or four on an idle machine, more when other work shares its cores
STOP_WITHIN = 1.0  # seconds for a server to end by itself; the API server would wait a minute for watches to end

FOLLOWERS = ("kwok", "kube-scheduler", "kube-controller-manager")


@dataclass(frozen=True, slots=True)
class Binaries:
    """Folders with the built programs."""

    etcd: Path
    kubernetes: Path
    kwok: Path

    @classmethod
    def built(cls, report: build.Report = build.say) -> Binaries:
        """Take them from the cache, building what is missing; raise build.BuildError."""
        return cls(*(build.build(program, report=report) for program in ("etcd", "kubernetes", "kwok")))


class ControlPlane(Cluster):
    """A running control plane. Make it with `start`, end it with `close`."""

    webhook_host = "127.0.0.1"

    def __init__(self, folder: Path, binaries: Binaries, household: Household) -> None:
        self.folder = folder
        self._binaries, self._household = binaries, household
        self._etcd_port, self._peer_port, self._port, self._kwok_port = Port(), Port(), Port(), Port()
        self.files = layout.lay_out(folder, f"https://127.0.0.1:{self._port.number}")
        access = Access(
            url=self.files.url,
            kubeconfig=self.files.kubeconfig(layout.ADMIN),
            ca_bundle=self.files.authority.bundle,
            headers={"Authorization": f"Bearer {self.files.tokens[layout.ADMIN]}"},
        )
        super().__init__(access, kubectl=lambda: binaries.kubernetes / "kubectl", scratch=folder)

    @classmethod
    def start(cls, folder: Path, binaries: Binaries, *, apiserver_flags: Sequence[str] = ()) -> ControlPlane:
        """Start everything in an empty folder; return when it is ready, raise BedError with a log when it is not."""
        plane = cls(folder, binaries, Household(folder, remove=folder / "etcd"))
        atexit.register(plane.close)
        try:
            plane._start_all(apiserver_flags)
        except BaseException:
            plane.close()
            raise
        return plane

    @property
    def admin_token(self) -> str:
        """The bearer token of a member of system:masters."""
        return self.files.tokens[layout.ADMIN]

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: an event per line, written before the request is answered."""
        return self.files.audit_log

    @property
    def etcd_url(self) -> str:
        """etcd's client address; there is no TLS."""
        return f"http://127.0.0.1:{self._etcd_port.number}"

    def audit_events(self) -> list[Json]:
        """All events in the audit log so far."""
        written, _, _ = self.audit_log.read_text().rpartition("\n")  # the last line may be half there
        return [json.loads(line) for line in written.splitlines()]

    def credentials(self, user: User | None) -> list[tuple[str, str]]:
        """A user of the token file comes with the own token, everybody else is impersonated."""
        if user and user in self.files.tokens:
            return [("Authorization", f"Bearer {self.files.tokens[user]}")]
        return super().credentials(user)

    def kubectl_identity(self, user: User | None) -> list[str]:
        """The flags that make kubectl act as this user, by token where there is one."""
        if user and user in self.files.tokens:
            return [f"--kubeconfig={self.files.kubeconfig(user)}"]
        return super().kubectl_identity(user)

    def check(self) -> None:
        """Raise BedError with the end of its log when a server has died."""
        self._household.check()

    def add_node(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        provider_id: str | None = None,
        annotations: Mapping[str, str] | None = None,
        capacity: Mapping[str, str] | None = None,
        taints: Sequence[Mapping[str, str]] = (),
    ) -> Json:
        """Add a node that kwok plays, and return it once the scheduler may use it.

        `capacity` is added to 64 CPUs, 512Gi and 110 pods, and is allocatable.
        """
        resources = {"cpu": "64", "memory": "512Gi", "pods": "110", **(capacity or {})}
        node = {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **(labels or {})},
                "annotations": {layout.PLAYED_BY_KWOK[0]: layout.PLAYED_BY_KWOK[1], **(annotations or {})},
            },
            "spec": {"taints": list(taints)} | ({"providerID": provider_id} if provider_id else {}),
            "status": {"capacity": resources, "allocatable": resources},
        }
        self.request("POST", "/api/v1/nodes", node).ok()
        self.wait_for(f"node `{name}` to be ready", lambda: _usable(self._node(name)))
        return self._node(name)

    def remove_node(self, name: str) -> None:
        """Delete a node; its pods follow when the garbage collector comes round."""
        self.request("DELETE", f"/api/v1/nodes/{name}").ok()

    def restart_apiserver(self, *flags: str) -> None:
        """Start the API server anew at the same address, with these flags after the usual ones; return when ready.

        Controllers, scheduler and kwok are started anew with it: left alone they would sit out a back-off first.
        """
        for name in (*FOLLOWERS, "kube-apiserver"):
            self._household.stop(name, grace=STOP_WITHIN)
        self._start_apiserver(flags)
        self._start_followers()

    def stop_server(self, name: str) -> None:
        """Stop one server, to see what happens without it; `restart_apiserver` brings back any but etcd."""
        self._household.stop(name, grace=STOP_WITHIN)

    def pid(self, name: str) -> int:
        """The process number of a running server."""
        return self._household[name].pid

    def close(self) -> None:
        """Kill all servers and drop etcd's data; logs stay. Harmless when done twice."""
        atexit.unregister(self.close)
        super().close()
        self._household.stop_all(grace=0)
        for port in (self._etcd_port, self._peer_port, self._port, self._kwok_port):
            port.close()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    def _start_all(self, apiserver_flags: Sequence[str]) -> None:
        self._household.start("etcd", [self._binaries.etcd / "etcd", *self._etcd_flags()])
        self._start_apiserver(apiserver_flags)
        self._kwok_port.close()  # kwok doesn't share ports
        self._start_followers()

    def _start_apiserver(self, more: Sequence[str]) -> None:
        flags = layout.apiserver_flags(self.files, self._port.number, self.etcd_url)
        self._household.start("kube-apiserver", [self._binaries.kubernetes / "kube-apiserver", *flags, *more])
        self._wait_ready()

    def _start_followers(self) -> None:
        """Start what works by watching the API server; return when a new namespace is seen to."""
        kubernetes, kwok = self._binaries.kubernetes, self._binaries.kwok
        commands: dict[str, tuple[Path, list[str]]] = {
            "kube-controller-manager": (kubernetes, layout.controller_manager_flags(self.files)),
            "kube-scheduler": (kubernetes, layout.scheduler_flags(self.files)),
            "kwok": (kwok, layout.kwok_flags(self.files, kwok / "stages", self._kwok_port.number)),
        }
        for name, (folder, flags) in commands.items():
            self._household.start(name, [folder / name, *flags])
        space = self.create_namespace()
        self.request("DELETE", f"/api/v1/namespaces/{space}").ok()

    def _etcd_flags(self) -> list[str]:
        peer = f"http://127.0.0.1:{self._peer_port.number}"
        return layout.etcd_flags(self.folder / "etcd", client=self.etcd_url, peer=peer)

    def _wait_ready(self) -> None:
        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):  # not listening yet
                return self.request("GET", "/readyz").status == 200
            return False

        try:
            self.wait_for("the API server to be ready", ready, seconds=READY_WITHIN)
        except BedError as error:
            log = self._household["kube-apiserver"].tail()
            raise BedError(f"{error}\nend of the API server's log:\n{log}") from error

    def _node(self, name: str) -> Json:
        return self.request("GET", f"/api/v1/nodes/{name}").ok()


def _usable(node: Json) -> bool:
    """Ready, and without the taint that every new node has until then."""
    conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", ())}
    taints = {t["key"] for t in node["spec"].get("taints", ())}
    return conditions.get("Ready") == "True" and "node.kubernetes.io/not-ready" not in taints
