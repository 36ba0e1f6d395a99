"""The kinds that decisions look up, and where the API server serves them. Only these are watched: least RBAC."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Served:
    """One resource of the API server. `watched` ones are held in the snapshot, the others are read when asked for."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    watched: bool = True

    def path(self, namespace: str = "", name: str = "") -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "")


FACTS = (
    Served("", "v1", "Namespace", "namespaces", False),
    Served("", "v1", "Node", "nodes", False),
    Served("", "v1", "PersistentVolume", "persistentvolumes", False),
    Served("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, watched=False),
    Served("storage.k8s.io", "v1", "StorageClass", "storageclasses", False),
    Served("snapshot.storage.k8s.io", "v1", "VolumeSnapshotClass", "volumesnapshotclasses", False, watched=False),
    Served("velero.io", "v1", "BackupStorageLocation", "backupstoragelocations", True, watched=False),
    Served("velero.io", "v1", "VolumeSnapshotLocation", "volumesnapshotlocations", True, watched=False),
    Served("serving.kserve.io", "v1alpha1", "LocalModelNodeGroup", "localmodelnodegroups", False, watched=False),
    Served("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", False),
    Served("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", False),
    Served("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", True, watched=False),
    Served("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates", True, watched=False),
)
RULES = tuple(
    Served("bailiwick.dev", "v1alpha1", kind, plural, namespaced)
    for kind, plural, namespaced in (
        ("SovereigntyPolicy", "sovereigntypolicies", False),
        ("Jurisdiction", "jurisdictions", False),
        ("DataClass", "dataclasses", False),
        ("TrustPolicy", "trustpolicies", False),
        ("ClusterProfile", "clusterprofiles", False),
        ("ModelProvenance", "modelprovenances", True),
        ("Waiver", "waivers", True),
    )
)
