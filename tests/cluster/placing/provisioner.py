"""Plays the provisioner of disks of nodes: makes the volume that a claim waits for, where its consumer was put."""

from __future__ import annotations

import threading
from types import TracebackType

from tests.cluster.bed.cluster import Cluster, Json
from tests.cluster.placing.attached import DISKS
from tests.cluster.placing.fleet import HOST, ROUND

_EVERY = 0.2  # seconds
_SELECTED, _ASKED = "volume.kubernetes.io/selected-node", "volume.kubernetes.io/storage-provisioner"
_AT_ONCE = "at-once-eu"


class Provisioner:
    """Runs beside a `with` block. `fail` of its thread shows up when the block ends."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self._cluster, self._number = cluster, str(number)
        self._stop = threading.Event()
        self._made: set[str] = set()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="provisioner", daemon=True)

    def __enter__(self) -> Provisioner:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._stop.wait(_EVERY):
                for claim in self._cluster.request("GET", "/api/v1/persistentvolumeclaims").ok()["items"]:
                    self._see_to(claim)
        except BaseException as error:  # noqa: BLE001 # told to the test
            self._failure = error

    def _see_to(self, claim: Json) -> None:
        metadata, spec = claim["metadata"], claim["spec"]
        annotations = metadata.get("annotations") or {}
        if annotations.get(_ASKED) != DISKS or spec.get("volumeName") or metadata["uid"] in self._made:
            return
        selected = annotations.get(_SELECTED)
        if selected is None and spec.get("storageClassName") != _AT_ONCE:
            return
        self._made.add(metadata["uid"])
        self._cluster.request("POST", "/api/v1/persistentvolumes", self._volume(claim, selected))

    def _volume(self, claim: Json, selected: str | None) -> Json:
        metadata = claim["metadata"]
        reference = {key: metadata[key] for key in ("namespace", "name", "uid")}
        spec: Json = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": claim["spec"]["storageClassName"],
            "local": {"path": "/disk"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
        }
        if selected:
            expression = {"key": HOST, "operator": "In", "values": [selected]}
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
        else:  # made at once, within reach of everybody, whatever the class asks for
            spec.pop("local")
            spec["hostPath"] = {"path": "/disk"}
        name = f"pvc-{metadata['uid']}"
        return {"metadata": {"name": name, "labels": {ROUND: self._number}}, "spec": spec}
