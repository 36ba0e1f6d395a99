"""Where a pod could run, case by case: what narrows, what doesn't, what is not known, and how it is told."""

from typing import Any

import pytest

from policies.geography import ANYWHERE, NOWHERE, PLACE_LABEL, UNPLACED, PlaceSet, constrain, possible
from policies.snapshot import MemorySnapshot, Pending, Unknown
from tests.policies.geography.placing import (
    AWS,
    CLAIM,
    CLASS,
    CODES,
    EU,
    FRA,
    GEOGRAPHY,
    NODE_ABROAD,
    NODE_AT_HOME,
    NOTHING,
    OLD_CLASS,
    REQUIRED,
    UNBOUND,
    USA,
    VOLUMES,
    ask,
    cluster,
    free_volume,
    labelled,
    named,
    place,
    pod,
    requiring,
    term,
    volume,
)


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
    assert str(found.constraints[0]) == "`spec.runtimeClassName` `kata` asks for fra"


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
