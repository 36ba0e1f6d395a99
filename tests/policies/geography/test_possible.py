"""Where a pod could run, case by case: what narrows, what doesn't, what is not known, and how it is told."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.geography import (
    ANYWHERE,
    NOWHERE,
    PLACE_LABEL,
    UNPLACED,
    Geography,
    JurisdictionRule,
    PlaceSet,
    Possible,
    Regions,
    conflict,
    constrain,
    possible,
)
from policies.snapshot import MemorySnapshot, Pending, Unknown

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
GEOGRAPHY = Geography(
    Regions.builtin(),
    {
        "providers": [{"name": "aws", "regions": ["eu-central-1", "us-east-1"]}],
        "sites": [{"name": "fra", "country": "DE", "match": {"nodeNames": ["bm-*"]}}],
    },
)
EU = JurisdictionRule.of({"locatedIn": {"sets": ["EU"]}}, GEOGRAPHY)
FRA, AWS, USA = "fra", "aws.eu-central-1", "aws.us-east-1"
NOTHING = MemorySnapshot.of([])


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "team"}, "spec": spec}


def requiring(*terms: Any) -> dict[str, Any]:
    return pod(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}})


def place(operator: str, *values: str) -> dict[str, Any]:
    return {"key": PLACE_LABEL, "operator": operator} | ({"values": list(values)} if values else {})


def term(*expressions: Any) -> dict[str, Any]:
    return {"matchExpressions": list(expressions)}


def cluster(*objects: tuple[str, str, str, dict[str, Any]], live: bool = False) -> MemorySnapshot:
    made = [
        {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": "team" if kind.endswith("Claim") else ""},
            **fields,
        }
        for version, kind, name, fields in objects
    ]
    return MemorySnapshot.of(made, [("", "PersistentVolume")], live=live)


def ask(of: dict[str, Any], snapshot: MemorySnapshot = NOTHING) -> Possible:
    return possible(of, snapshot, GEOGRAPHY)


@pytest.mark.parametrize(
    ("of", "places"),
    [
        (pod(), ANYWHERE),
        (pod(affinity=None, nodeSelector=None), ANYWHERE),
        (pod(affinity={"nodeAffinity": {REQUIRED: None}}), ANYWHERE),
        (pod(nodeSelector={PLACE_LABEL: FRA}), PlaceSet.of([FRA])),
        (requiring(term(place("In", FRA, AWS))), PlaceSet.of([FRA, AWS])),
        (requiring(term(place("In", FRA, AWS), place("NotIn", FRA))), PlaceSet.of([AWS])),
        (requiring(term(place("NotIn", FRA))), PlaceSet.excluding([FRA])),  # nodes without the label pass NotIn
        (requiring(term(place("Exists"))), PlaceSet.excluding([UNPLACED])),
        (requiring(term(place("DoesNotExist"))), PlaceSet.of([UNPLACED])),
        (requiring(term(place("In", "5", "9", FRA), place("Gt", "5"))), PlaceSet.of(["9"])),
        (requiring(term(place("Lt", "6"))), PlaceSet.excluding([UNPLACED])),
        # terms are ORed: one that says nothing of places opens all of them
        (requiring(term(place("In", FRA)), term({"key": "gpu", "operator": "Exists"})), ANYWHERE),
        (requiring(term(place("In", FRA)), {}), PlaceSet.of([FRA])),  # an empty term matches nothing
        (requiring({}), NOWHERE),
        (requiring(None), NOWHERE),
        (requiring(), NOWHERE),
        (pod(affinity={"nodeAffinity": {REQUIRED: {}}}), NOWHERE),
        (requiring({"matchExpressions": [], "matchFields": []}), NOWHERE),
        # preferences, tolerations and topology labels never narrow
        (
            pod(
                affinity={
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 100, "preference": term(place("In", FRA))}
                        ]
                    }
                }
            ),
            ANYWHERE,
        ),
        (pod(nodeSelector={"topology.kubernetes.io/region": "eu-central-1"}), ANYWHERE),
        (
            requiring(term({"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-central-1a"]})),
            ANYWHERE,
        ),
        (
            pod(tolerations=[{"key": "place", "value": FRA}], topologySpreadConstraints=[{"topologyKey": PLACE_LABEL}]),
            ANYWHERE,
        ),
        # what the API server refuses narrows nothing here
        (requiring(term(place("Near", FRA))), ANYWHERE),
        (requiring(term({"key": PLACE_LABEL, "operator": "In", "values": [1]})), ANYWHERE),
        (pod(affinity="fra"), ANYWHERE),
        ({"spec": "fra"}, ANYWHERE),
        ({}, ANYWHERE),
    ],
)
def test_what_the_pod_says(of: dict[str, Any], places: PlaceSet) -> None:
    """Each form of constraint gives the set that the scheduler's reading gives."""
    assert ask(of).places == places


NODE_AT_HOME = ("v1", "Node", "bm-1", {})  # believed to be in fra, and not labelled yet
NODE_ABROAD = ("v1", "Node", "vm-1", {"spec": {"providerID": "aws:///us-east-1a/i-0123456789abcdef0"}})


def test_a_pod_bound_by_its_author_is_where_its_node_is() -> None:
    """`nodeName` passes by the scheduler: the node's place decides, and an unknown or absent node is anywhere."""
    snapshot = cluster(NODE_ABROAD).with_objects([labelled("bm-1", FRA)])
    assert ask(pod(nodeName="bm-1"), snapshot).places == PlaceSet.of([FRA])
    assert ask(pod(nodeName="vm-1"), snapshot).places == PlaceSet.of([UNPLACED])
    assert ask(pod(nodeName="bm-1", nodeSelector={PLACE_LABEL: AWS}), snapshot).places == NOWHERE
    unknown = ask(pod(nodeName="bm-2", nodeSelector={PLACE_LABEL: FRA}), snapshot)
    assert unknown.places == ANYWHERE
    assert unknown.under(EU) == Unknown("Node `bm-2`")
    absent = ask(pod(nodeName="bm-2"), snapshot.completing([("", "Node")]))
    assert (absent.places, absent.unresolved) == (ANYWHERE, ())


def test_a_pod_bound_by_its_author_must_fit_its_node() -> None:
    """The kubelet holds the pod's terms against the node's label: one that is missing passes NotIn, and no In."""
    snapshot = cluster(NODE_AT_HOME)
    apart = requiring(term(place("NotIn", FRA)))
    apart["spec"]["nodeName"] = "bm-1"
    assert ask(apart, snapshot).places == PlaceSet.of([UNPLACED])
    assert ask(pod(nodeName="bm-1", nodeSelector={PLACE_LABEL: FRA}), snapshot).places == NOWHERE


def named(node: str, *expressions: Any, operator: str = "In") -> dict[str, Any]:
    fields = [{"key": "metadata.name", "operator": operator, "values": [node]}]
    return {"matchFields": fields} | ({"matchExpressions": list(expressions)} if expressions else {})


def test_match_fields_name_nodes() -> None:
    """A term that names a node is where that node's label says, for it doesn't bind: the scheduler sees labels."""
    snapshot = cluster(NODE_AT_HOME).with_objects([labelled("bm-2", FRA)])
    assert ask(requiring(named("bm-2")), snapshot).places == PlaceSet.of([FRA])
    assert ask(requiring(named("bm-1")), snapshot).places == PlaceSet.of([UNPLACED])
    assert ask(requiring(named("bm-3")), snapshot).places == ANYWHERE
    assert ask(requiring(named("bm-2", operator="NotIn")), snapshot).places == ANYWHERE


def test_a_node_without_a_label_is_no_way_around() -> None:
    """`not in the US` is true of a node in the US that has no label: naming such a node beside it doesn't hide it."""
    around = requiring(named("vm-1", place("NotIn", USA)), term(place("In", FRA)))
    found = ask(around, cluster(NODE_ABROAD))
    assert found.places == PlaceSet.of([UNPLACED, FRA])
    assert not EU.admits(found.places)
    assert len(constrain(around, CODES)) == 1


def labelled(name: str, code: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {PLACE_LABEL: code}}}


VOLUMES = [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}]
CLAIM = ("v1", "PersistentVolumeClaim", "weights", {"spec": {"volumeName": "pv-1", "storageClassName": "fast"}})
UNBOUND = ("v1", "PersistentVolumeClaim", "weights", {"spec": {"storageClassName": "fast"}})
CLASS = (
    "storage.k8s.io/v1",
    "StorageClass",
    "fast",
    {
        "allowedTopologies": [{"matchLabelExpressions": [{"key": PLACE_LABEL, "values": [FRA, AWS]}]}, {}],
        "volumeBindingMode": "WaitForFirstConsumer",
    },
)


def volume(*terms: dict[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    return (
        "v1",
        "PersistentVolume",
        "pv-1",
        {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": list(terms)}}}},
    )


def test_volumes_narrow() -> None:
    """A bound volume ties by its node affinity, one still to be made by its class; zone labels tie nobody."""
    claimed = pod(volumes=VOLUMES)
    assert ask(claimed, cluster(CLAIM, volume(term(place("In", FRA))))).places == PlaceSet.of([FRA])
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-central-1a"]}
    assert ask(claimed, cluster(CLAIM, volume(term(zone)))).places == ANYWHERE
    assert ask(claimed, cluster(UNBOUND, CLASS)).places == PlaceSet.of([FRA, AWS])
    ephemeral = {"name": "t", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}}
    assert ask(pod(volumes=[ephemeral]), cluster(CLASS)).places == PlaceSet.of([FRA, AWS])
    assert ask(pod(volumes=[{"name": "e", "emptyDir": {}}])).unresolved == ()


OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
ABROAD = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term(place("In", USA))]}}}


def free_volume(name: str = "pv-2", storage: str = "fast", **spec: Any) -> tuple[str, str, str, dict[str, Any]]:
    return ("v1", "PersistentVolume", name, {"spec": {"storageClassName": storage, **ABROAD, **spec}})


@pytest.mark.parametrize(
    ("volume", "places"),
    [
        (free_volume(), [FRA, AWS, USA]),
        (free_volume(storage="slow"), [FRA, AWS]),
        (free_volume(claimRef={"namespace": "team", "name": "weights"}), [FRA, AWS, USA]),
        (free_volume(claimRef={"namespace": "team", "name": "other"}), [FRA, AWS]),
        (free_volume(claimRef={"namespace": "else", "name": "weights"}), [FRA, AWS]),
    ],
)
def test_a_free_volume_of_the_class_is_taken_before_one_is_made(volume: Any, places: list[str]) -> None:
    """`allowedTopologies` say where volumes are made; one that is there already may lie anywhere."""
    assert ask(pod(volumes=VOLUMES), cluster(UNBOUND, CLASS, volume)).places == PlaceSet.of(places)


def test_what_is_made_at_once_is_made_where_the_provisioner_likes() -> None:
    """Only a class that waits for its first consumer has its `allowedTopologies` kept by the scheduler."""
    at_once = (*CLASS[:3], {**CLASS[3], "volumeBindingMode": "Immediate"})
    assert ask(pod(volumes=VOLUMES), cluster(UNBOUND, at_once)).places == ANYWHERE


def test_which_volumes_there_are_has_to_be_known() -> None:
    """Where nobody knows all volumes, a class narrows nothing, and that is said when it matters."""
    found = ask(pod(volumes=VOLUMES), MemorySnapshot(cluster(UNBOUND, CLASS).objects))
    assert (found.places, found.under(EU)) == (ANYWHERE, Unknown("all objects of kind PersistentVolume"))


def test_a_claim_is_what_it_is_made_of() -> None:
    """A volume named in a template outweighs the class, and so does the class's old annotation."""
    named = {"storageClassName": "fast", "volumeName": "pv-2"}
    ephemeral = [{"name": "t", "ephemeral": {"volumeClaimTemplate": {"spec": named}}}]
    assert ask(pod(volumes=ephemeral), cluster(CLASS, free_volume())).places == PlaceSet.of([USA])
    old = {"metadata": {"annotations": {OLD_CLASS: "other"}}, "spec": {"storageClassName": "fast"}}
    ephemeral = [{"name": "t", "ephemeral": {"volumeClaimTemplate": old}}]
    elsewhere = ("storage.k8s.io/v1", "StorageClass", "other", {})
    assert ask(pod(volumes=ephemeral), cluster(CLASS, elsewhere)).places == ANYWHERE


@pytest.mark.parametrize("status", [{}, {"allocation": {"nodeSelector": {"nodeSelectorTerms": [named("bm-1")]}}}])
def test_claims_for_devices_narrow_nothing(status: dict[str, Any]) -> None:
    """An allocation is given back when the last pod that uses it ends; who waits for it may then be elsewhere."""
    claim = ("resource.k8s.io/v1", "ResourceClaim", "gpu", {"spec": {}, "status": status})
    claimed = pod(resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}])
    found = ask(claimed, cluster(claim, NODE_AT_HOME))
    assert (found.places, found.constraints, found.unresolved) == (ANYWHERE, (), ())


def test_a_runtime_class_narrows() -> None:
    """The node selector of the RuntimeClass counts as the pod's own."""
    kata = ("node.k8s.io/v1", "RuntimeClass", "kata", {"scheduling": {"nodeSelector": {PLACE_LABEL: FRA}}})
    found = ask(pod(runtimeClassName="kata"), cluster(kata))
    assert found.places == PlaceSet.of([FRA])
    assert str(found.constraints[0]) == "`spec.runtimeClassName` `kata` asks for fra: fra"


def test_an_unknown_matters_only_where_it_could() -> None:
    """A claim nobody has seen is asked for when it could decide, not when the rest is inside or wholly outside."""
    assert ask(pod(volumes=VOLUMES)).under(EU) == Unknown("PersistentVolumeClaim `team/weights`")
    assert isinstance(ask(pod(volumes=VOLUMES), cluster(live=True)).under(EU), Pending)
    assert ask(pod(volumes=VOLUMES, nodeSelector={PLACE_LABEL: FRA})).under(EU) == PlaceSet.of([FRA])
    assert ask(pod(volumes=VOLUMES, nodeSelector={PLACE_LABEL: USA})).under(EU) == PlaceSet.of([USA])
    nameless = possible({"spec": {"volumes": VOLUMES}}, NOTHING, GEOGRAPHY)
    assert nameless.under(EU) == Unknown("the namespace of PersistentVolumeClaim `weights`")
    named = possible({"spec": {"volumes": VOLUMES}}, cluster(UNBOUND, CLASS), GEOGRAPHY, namespace="team")
    assert named.under(EU) == PlaceSet.of([FRA, AWS])


def test_a_template_cannot_borrow_the_claims_of_another_namespace() -> None:
    """The namespace that pods are made in outweighs what a template's metadata says."""
    template = {"metadata": {"namespace": "team"}, "spec": {"volumes": VOLUMES}}
    found = possible(template, cluster(UNBOUND, CLASS), GEOGRAPHY, namespace="other")
    assert (found.places, found.unresolved) == (ANYWHERE, (Unknown("PersistentVolumeClaim `other/weights`"),))


def test_the_explanation_names_path_and_set() -> None:
    """Each constraint is told with where it stands and what it leaves."""
    found = ask(requiring(term(place("In", FRA, USA))) | {"metadata": {}})
    assert [(each.path, each.places) for each in found.constraints] == [
        (f"spec.affinity.nodeAffinity.{REQUIRED}", PlaceSet.of([FRA, USA]))
    ]


CODES = frozenset([FRA, AWS])
WANTED = {"key": PLACE_LABEL, "operator": "In", "values": [AWS, FRA]}
POINTER = f"/spec/affinity/nodeAffinity/{REQUIRED}"


@pytest.mark.parametrize(
    ("of", "operations"),
    [
        (
            pod(),
            [("/spec/affinity", {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [WANTED]}]}}})],
        ),
        (
            pod(affinity={}),
            [("/spec/affinity/nodeAffinity", {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [WANTED]}]}})],
        ),
        (pod(affinity={"nodeAffinity": {}}), [(POINTER, {"nodeSelectorTerms": [{"matchExpressions": [WANTED]}]})]),
        (
            requiring(term({"key": "gpu", "operator": "Exists"}), {}),
            [(f"{POINTER}/nodeSelectorTerms/0/matchExpressions/-", WANTED)],
        ),
        (
            requiring({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["x"]}]}),
            [(f"{POINTER}/nodeSelectorTerms/0/matchExpressions", [WANTED])],
        ),
        # only the term that needs it
        (
            requiring(term(place("In", FRA)), term(place("In", FRA, USA))),
            [(f"{POINTER}/nodeSelectorTerms/1/matchExpressions/-", WANTED)],
        ),
        (requiring(), []),  # no terms match nothing, and stay so
        (pod(nodeSelector={PLACE_LABEL: FRA}), []),
        (pod(nodeName="bm-1"), []),
        (pod(affinity="fra"), []),
        ({"metadata": {}}, []),
    ],
)
def test_the_least_that_does(of: dict[str, Any], operations: list[tuple[str, Any]]) -> None:
    """The operations add the deepest field that is missing, to the terms that need it, and nothing else."""
    assert [(each["path"], each["value"]) for each in constrain(of, CODES)] == operations
    assert all(each["op"] == "add" for each in constrain(of, CODES))


def test_a_jurisdiction_without_places_fits_no_node() -> None:
    """With no admitted place the pod is made to match nothing, and the conflict says why."""
    operations = constrain(pod(), frozenset())
    expressions = operations[0]["value"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"][0]["matchExpressions"]
    assert [each["operator"] for each in expressions] == ["Exists", "DoesNotExist"]
    assert conflict(pod(), frozenset()) == "no place of this cluster is admitted"


def test_a_conflict_shows_both_sides() -> None:
    """A contradiction names what the pod asks for, where, and what is admitted."""
    assert conflict(pod(nodeSelector={PLACE_LABEL: USA}), CODES) == (
        f"`spec.nodeSelector[{PLACE_LABEL}]` asks for aws.us-east-1: aws.us-east-1; admitted: aws.eu-central-1, fra"
    )
    assert conflict(requiring(), CODES) is not None
    assert conflict(pod(nodeSelector={PLACE_LABEL: FRA}), CODES) is None
    assert conflict(pod(nodeName="anything"), CODES) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(PLACE_LABEL),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "affinity",
                    "nodeAffinity",
                    REQUIRED,
                    "nodeSelectorTerms",
                    "matchExpressions",
                    "matchFields",
                    "key",
                    "operator",
                    "values",
                    "nodeSelector",
                    "volumes",
                    "persistentVolumeClaim",
                    "claimName",
                    "runtimeClassName",
                    "nodeName",
                    PLACE_LABEL,
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=1_000)
@given(
    JSON,
    st.sampled_from(
        [
            ["spec"],
            ["spec", "affinity"],
            ["spec", "affinity", "nodeAffinity"],
            ["spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"],
            ["spec", "volumes"],
        ]
    ),
)
def test_any_shape_gets_an_answer(junk: Any, path: list[str]) -> None:
    """Whatever stands where a pod's constraints should be, there is an answer and no exception."""
    of: Any = junk
    for name in reversed(path):
        of = {name: of}
    ask(of)
    constrain(of, CODES)
    conflict(of, CODES)


@pytest.mark.parametrize(
    ("affinity", "told"),
    [
        ("fra", "`spec.affinity` is text: an object must stand there"),
        ({"nodeAffinity": [1]}, "`spec.affinity.nodeAffinity` is a list: an object must stand there"),
        ({"nodeAffinity": {REQUIRED: 7}}, f"`spec.affinity.nodeAffinity.{REQUIRED}` is a number: an object"),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": {}}}}, "nodeSelectorTerms` is an object: a list must"),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}, True]}}}, "nodeSelectorTerms[1]` is a truth value: an"),
        (
            {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": "x"}]}}},
            "nodeSelectorTerms[0].matchFields` is text: a list must stand there",
        ),
    ],
)
def test_an_affinity_of_the_wrong_type_is_told(affinity: Any, told: str) -> None:
    """Fields of custom resources may hold anything: what can't be read is refused with its path."""
    assert told in (conflict(pod(affinity=affinity), CODES) or "")


OBJECTS = [
    ("v1", "PersistentVolumeClaim", "weights", ["spec"]),
    ("v1", "PersistentVolumeClaim", "weights", ["metadata", "annotations"]),
    ("v1", "PersistentVolume", "pv-1", ["spec"]),
    ("v1", "PersistentVolume", "pv-1", ["spec", "nodeAffinity", "required"]),
    ("v1", "PersistentVolume", "pv-1", ["spec", "claimRef"]),
    ("storage.k8s.io/v1", "StorageClass", "fast", ["allowedTopologies"]),
    ("node.k8s.io/v1", "RuntimeClass", "kata", ["scheduling"]),
    ("v1", "Node", "bm-1", ["metadata", "labels"]),
    ("v1", "Node", "bm-1", ["spec"]),
    ("v1", "Node", "bm-1", ["status"]),
]


@settings(max_examples=1_000)
@given(JSON, st.sampled_from(OBJECTS))
def test_any_shape_of_what_a_pod_names_gets_an_answer(junk: Any, where: tuple[str, str, str, list[str]]) -> None:
    """Manifests may hold anything where a claim, a volume, a class or a node should say something."""
    version, kind, name, path = where
    found: Any = junk
    for part in reversed(path):
        found = {part: found}
    metadata = {"name": name, "namespace": "team" if kind.endswith("Claim") else "", **found.get("metadata", {})}
    broken = {"apiVersion": version, "kind": kind, **found, "metadata": metadata}
    known = cluster(CLAIM, (*UNBOUND[:2], "other", *UNBOUND[3:]), CLASS, volume(named("bm-1")), NODE_AT_HOME)
    claims = [*VOLUMES, {"name": "o", "persistentVolumeClaim": {"claimName": "other"}}]
    snapshot = known.with_objects([broken])
    ask(pod(volumes=claims, runtimeClassName="kata"), snapshot)
    ask(pod(nodeName="bm-1"), snapshot)
    ask(requiring(named("bm-1")), snapshot)


def test_volumes_and_claims_that_name_each_other_in_a_circle() -> None:
    """Each is looked at once, however they refer to one another."""
    claims = [
        ("v1", "PersistentVolumeClaim", name, {"spec": {"volumeName": f"pv-{name}", "dataSource": {"name": other}}})
        for name, other in (("a", "b"), ("b", "a"))
    ]
    volumes = [
        ("v1", "PersistentVolume", f"pv-{name}", {"spec": {"claimRef": {"namespace": "team", "name": other}, **ABROAD}})
        for name, other in (("a", "b"), ("b", "a"))
    ]
    wanted = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in ("a", "b", "a")]
    found = ask(pod(volumes=wanted), cluster(*claims, *volumes))
    assert (found.places, len(found.constraints)) == (PlaceSet.of([USA]), 3)


def test_very_many_volumes() -> None:
    """A thousand volumes of a class with a thousand free ones: what is asked of the snapshot is asked of it once."""
    free = [free_volume(f"pv-{index}") for index in range(1_000)]
    wanted = [{"name": f"v{index}", "persistentVolumeClaim": {"claimName": "weights"}} for index in range(1_000)]
    found = ask(pod(volumes=wanted), cluster(UNBOUND, CLASS, *free))
    assert found.places == PlaceSet.of([FRA, AWS, USA])


def test_very_many_terms() -> None:
    """An affinity of tens of thousands of terms, as many as a request holds, is constrained in every one."""
    large = requiring(*[term(place("In", FRA, f"x{index}")) for index in range(30_000)])
    assert len(constrain(large, CODES)) == 30_000
    assert len(ask(large).places.codes) == 30_001
