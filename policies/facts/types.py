"""The types of facts: what a policy may write. A misspelt field is an error when the policy is loaded.

The fields are those that `policies.workloads` and `policies.facts.classification` fill; a test compares the two.
"""

from policies.cel.types import BOOL, DYN, INT, STRING, ObjectType, OpaqueType, list_of

PLACE_SET = OpaqueType("bailiwick.PlaceSet")
CLUSTER = OpaqueType("bailiwick.Cluster")

IMAGE = ObjectType(
    "bailiwick.Image",
    fields={
        "path": STRING,
        "reference": STRING,
        "registry": STRING,
        "repository": STRING,
        "tag": STRING,
        "digest": STRING,
        "pinned": BOOL,
    },
)
MODEL = ObjectType(
    "bailiwick.Model",
    fields={
        "path": STRING,
        "reference": STRING,
        "scheme": STRING,
        "revision": STRING,
        "digest": STRING,
        "pinned": BOOL,
    },
)
DEVICE = ObjectType(
    "bailiwick.Device",
    fields={
        "path": STRING,
        "resource": STRING,
        "claim": STRING,
        "count": INT,
        "mechanism": STRING,
        "level": STRING,
    },
)
DESTINATION = ObjectType(
    "bailiwick.Destination",
    fields={
        "path": STRING,
        "host": STRING,
        "bucket": STRING,
        "cluster": STRING,
        "kind": STRING,
        "provider": STRING,
        "region": STRING,
        "what": STRING,
    },
)
KEY = ObjectType("bailiwick.Key", fields={"path": STRING, "reference": STRING, "purpose": STRING})
WHEREABOUTS = ObjectType(
    "bailiwick.Whereabouts",
    fields={
        "places": PLACE_SET,
        "inside": BOOL,
        "unknown": STRING,
        "assurance": STRING,
        "revoked": BOOL,
        "unattested": STRING,
    },
)
VOLUME = ObjectType("bailiwick.Volume", fields={"path": STRING, "kind": STRING, "storageClass": STRING, "object": DYN})
IDENTITY = ObjectType("bailiwick.Identity", fields={"path": STRING, "serviceAccount": STRING, "audience": STRING})
PLACEMENT = ObjectType(
    "bailiwick.Placement",
    fields={"path": STRING, "kind": STRING, "key": STRING, "operator": STRING, "values": list_of(STRING)},
)
MALFORMED = ObjectType("bailiwick.Malformed", fields={"path": STRING, "expected": STRING, "found": STRING})
POD = ObjectType(
    "bailiwick.Pod",
    fields={
        "path": STRING,
        "pointer": STRING,
        "metadata": DYN,
        "spec": DYN,
        "images": list_of(IMAGE),
        "models": list_of(MODEL),
        "devices": list_of(DEVICE),
        "keys": list_of(KEY),
        "isolation": STRING,
        "runtime": STRING,
        "planned": BOOL,
    },
)
WORKLOAD = ObjectType(
    "bailiwick.Workload",
    fields={
        "group": STRING,
        "version": STRING,
        "kind": STRING,
        "known": BOOL,
        "pods": list_of(POD),
        "images": list_of(IMAGE),
        "models": list_of(MODEL),
        "devices": list_of(DEVICE),
        "destinations": list_of(DESTINATION),
        "keys": list_of(KEY),
        "identities": list_of(IDENTITY),
        "placement": list_of(PLACEMENT),
        "volumes": list_of(VOLUME),
        "namespaces": list_of(STRING),
        "malformed": list_of(MALFORMED),
    },
)
DATA_CLASS = ObjectType(
    "bailiwick.DataClass",
    fields={
        "name": STRING,
        "known": BOOL,
        "rank": INT,
        "residency": BOOL,
        "device": STRING,
        "runtime": STRING,
        "pinned": BOOL,
        "regionKey": BOOL,
        "assurance": STRING,
        "egress": BOOL,
    },
)
ACTOR = ObjectType("bailiwick.Actor", fields={"kind": STRING, "places": PLACE_SET, "unknown": STRING})
DEBUGGER = ObjectType(
    "bailiwick.Debugger", fields={"path": STRING, "name": STRING, "target": STRING, "sees": list_of(STRING)}
)
JURISDICTION = ObjectType("bailiwick.Jurisdiction", fields={"name": STRING, "known": BOOL})
PLACE = ObjectType(
    "bailiwick.Place",
    fields={
        "code": STRING,
        "known": BOOL,
        "provider": STRING,
        "region": STRING,
        "country": STRING,
        "operator": STRING,
        "operatedBy": STRING,
        "controlledFrom": list_of(STRING),
    },
)
