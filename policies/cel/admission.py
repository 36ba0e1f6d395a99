"""The types of the variables that the API server gives to admission policies."""

from __future__ import annotations

from policies.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, ObjectType, list_of, map_of

_STRINGS = list_of(STRING)

GROUP_VERSION_KIND = ObjectType("kubernetes.GroupVersionKind", {"group": STRING, "version": STRING, "kind": STRING})
GROUP_VERSION_RESOURCE = ObjectType(
    "kubernetes.GroupVersionResource", {"group": STRING, "version": STRING, "resource": STRING}
)
USER_INFO = ObjectType(
    "kubernetes.UserInfo",
    {"username": STRING, "uid": STRING, "groups": _STRINGS, "extra": map_of(STRING, _STRINGS)},
)
REQUEST = ObjectType(
    "kubernetes.AdmissionRequest",
    {
        "kind": GROUP_VERSION_KIND,
        "resource": GROUP_VERSION_RESOURCE,
        "subResource": STRING,
        "requestKind": GROUP_VERSION_KIND,
        "requestResource": GROUP_VERSION_RESOURCE,
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": USER_INFO,
        "dryRun": BOOL,
        "options": DYN,
    },
)
NAMESPACE_METADATA = ObjectType(
    "kubernetes.NamespaceMetadata",
    {
        "name": STRING,
        "generateName": STRING,
        "namespace": STRING,
        "labels": map_of(STRING, STRING),
        "annotations": map_of(STRING, STRING),
        "UID": STRING,
        "creationTimestamp": TIMESTAMP,
        "deletionGracePeriodSeconds": INT,
        "deletionTimestamp": TIMESTAMP,
        "generation": INT,
        "resourceVersion": STRING,
        "finalizers": _STRINGS,
    },
)
NAMESPACE_CONDITION = ObjectType(
    "kubernetes.NamespaceCondition",
    {"status": STRING, "type": STRING, "lastTransitionTime": TIMESTAMP, "message": STRING, "reason": STRING},
)
NAMESPACE_SPEC = ObjectType("kubernetes.NamespaceSpec", {"finalizers": _STRINGS})
NAMESPACE_STATUS = ObjectType(
    "kubernetes.NamespaceStatus", {"conditions": list_of(NAMESPACE_CONDITION), "phase": STRING}
)
NAMESPACE = ObjectType(
    "kubernetes.Namespace",
    {
        "metadata": NAMESPACE_METADATA,
        "spec": NAMESPACE_SPEC,
        "status": NAMESPACE_STATUS,
    },
)
DECLARED = "kubernetes."  # how names of types begin that nothing constructs
OBJECT_TYPES = (
    GROUP_VERSION_KIND,
    GROUP_VERSION_RESOURCE,
    USER_INFO,
    REQUEST,
    NAMESPACE_METADATA,
    NAMESPACE_CONDITION,
    NAMESPACE,
    NAMESPACE_SPEC,
    NAMESPACE_STATUS,
)
