"""What an operator says to `bailiwick serve`, as one value that every process of it is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from webhook.labelling.election import LEASE, SECONDS


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; the words of `bailiwick serve`."""

    version: str
    rules: Sequence[str] = ()
    regions: str | None = None  # a file with the deployer's own, followed
    catalogue: str | None = None  # the same for kinds of workloads
    snapshot: Sequence[str] = ()
    kubeconfig: str | None = None
    in_cluster: bool = False
    state: str = "state"
    region: str = "local"
    cluster_name: str = "cluster"
    writer: str = "webhook-0"
    host: str | None = None
    port: int = 8443
    probes_port: int | None = None
    names: Sequence[str] = ()
    certificate: str | None = None
    key: str | None = None
    client_ca: str | None = None
    tls12: bool = False
    packs: bool = True
    linger: float = 5.0  # seconds
    log_reserve: int = 512  # MiB free on the log's disk below which nothing is recorded, and so nothing admitted
    log_alarm: int = 2048  # MiB below which that is announced
    shard_records: int = 0  # the log goes on in a new shard when it has so many; 0: never
    shard_days: float = 0  # the same by its age
    keep_days: int = 180  # no shard is pruned before it is so old
    log: str | None = None  # postgres://... of a log that replicas share; one on files without
    log_password_file: str | None = None
    witnesses: str | None = None  # a tlog-policy with the addresses of those that shall cosign
    key_uses: Sequence[str] = ()  # more folders with books of key uses
    keyring: str | None = None  # `kind: Keyring`: what signs and seals lies in a key service or module
    label_nodes: bool = False  # take part in labelling nodes with their places
    label_lease: str = LEASE  # <namespace>/<name> of the Lease by which one replica does so
    label_lease_seconds: float = SECONDS  # until another takes over from one that is gone

    @property
    def directory(self) -> Path:
        return Path(self.state)
