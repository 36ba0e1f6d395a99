"""The control plane's files and flags: who may log in, what is audited, how each server is told to behave.

Flags are chosen to be what a production cluster has where that matters to admission (authorization modes, plugins, one
identity per controller, privileged pods possible), and quick where it doesn't.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.bed.certificates import Authority, Pair, service_account_keys
from tests.cluster.bed.cluster import Json, User, write_kubeconfig

ADMIN = User("bed-admin", ("system:masters",))
TENANT = User("tenant-a", ("tenants",))
OTHER_TENANT = User("tenant-b", ("tenants",))
KUBELET_NODE = "bed-kubelet"  # the one node with a kubelet identity of its own in the token file
KUBELET = User(f"system:node:{KUBELET_NODE}", ("system:nodes",))
SCHEDULER = User("system:kube-scheduler")
CONTROLLER_MANAGER = User("system:kube-controller-manager")
KWOK = User("kwok", ("system:masters",))
USERS = (ADMIN, TENANT, OTHER_TENANT, KUBELET, SCHEDULER, CONTROLLER_MANAGER, KWOK)

PLAYED_BY_KWOK = ("kwok.x-k8s.io/node", "fake")
STAGES = (
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
)

# by default a client makes 20 requests a second, and forty controllers that log in take five seconds over it
UNHURRIED = ("--kube-api-qps=1000", "--kube-api-burst=2000")

AUDIT_POLICY: Json = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # what the cluster does to itself all day long
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}, {"group": "", "resources": ["events"]}]},
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "serviceaccounts/token"]}]},
        {"level": "Request"},
    ],
}


@dataclass(frozen=True, slots=True)
class Files:
    """What lies in the bed's folder."""

    folder: Path
    url: str
    authority: Authority
    serving: Pair
    accounts: Pair
    tokens: dict[User, str]

    @property
    def audit_log(self) -> Path:
        """Where the API server writes its audit events."""
        return self.folder / "audit.files.log"

    def kubeconfig(self, user: User) -> Path:
        """A user's kubeconfig."""
        return self.folder / f"{user.name.replace(':', '-')}.kubeconfig"


def lay_out(folder: Path, url: str) -> Files:
    """Write keys, certificates, tokens, kubeconfigs and the audit policy."""
    authority = Authority(folder / "pki")
    files = Files(
        folder=folder,
        url=url,
        authority=authority,
        serving=authority.serve("kube-apiserver", ("127.0.0.1", "localhost", "kubernetes.default.svc")),
        accounts=service_account_keys(folder / "pki"),
        tokens={user: secrets.token_urlsafe(24) for user in USERS},
    )
    (folder / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
    (folder / "tokens.csv").touch(mode=0o600)
    (folder / "tokens.csv").write_text("".join(_token_line(user, files.tokens[user]) for user in USERS))
    for user in USERS:
        target = files.kubeconfig(user)
        write_kubeconfig(target, url=url, ca_bundle=authority.bundle, user=user.name, token=files.tokens[user])
    return files


def etcd_flags(data: Path, *, client: str, peer: str) -> list[str]:
    """etcd: one member that doesn't wait for the disk, nor a second for an election against nobody."""
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--heartbeat-interval=10",
        "--election-timeout=100",
        "--socket-reuse-port",
        "--log-level=warn",
    ]


def apiserver_flags(files: Files, port: int, etcd: str) -> list[str]:
    """kube-apiserver: Node and RBAC authorization, NodeRestriction, static tokens, an audit log."""
    return [
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--permit-port-sharing",
        "--advertise-address=192.0.2.1",  # loopback is refused here; nobody calls it, so no route is needed
        f"--cert-dir={files.folder / 'pki'}",
        f"--tls-cert-file={files.serving.certificate}",
        f"--tls-private-key-file={files.serving.key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={files.accounts.key}",
        f"--service-account-key-file={files.accounts.certificate}",
        f"--token-auth-file={files.folder / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged",  # as kubeadm sets it: policies, not this flag, shall refuse such pods
        f"--audit-policy-file={files.folder / 'audit-policy.json'}",
        f"--audit-log-path={files.audit_log}",
        "--audit-log-mode=blocking",
    ]


def controller_manager_flags(files: Files) -> list[str]:
    """kube-controller-manager: each controller under its own service account, as policies see them in production."""
    return [
        f"--kubeconfig={files.kubeconfig(CONTROLLER_MANAGER)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={files.accounts.key}",
        f"--root-ca-file={files.authority.bundle}",
        f"--flex-volume-plugin-dir={files.folder / 'volume-plugins'}",  # its default would be made in /usr
        *UNHURRIED,
    ]


def scheduler_flags(files: Files) -> list[str]:
    """kube-scheduler with its default profile."""
    return [f"--kubeconfig={files.kubeconfig(SCHEDULER)}", "--leader-elect=false", "--secure-port=0", *UNHURRIED]


def kwok_flags(files: Files, stages: Path, port: int) -> list[str]:
    """kwok: plays the kubelet of annotated nodes only."""
    return [
        f"--kubeconfig={files.kubeconfig(KWOK)}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={'='.join(PLAYED_BY_KWOK)}",
        f"--server-address=127.0.0.1:{port}",
        "--node-ip=127.0.0.1",
        *(f"--config={stages / stage}.yaml" for stage in STAGES),
    ]


def _token_line(user: User, token: str) -> str:
    groups = f',"{",".join(user.groups)}"' if user.groups else ""  # an empty column would be a group without a name
    return f"{token},{user.name},{user.name}{groups}\n"
