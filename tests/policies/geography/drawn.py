"""Random pods over a fleet that holds every mix of where a node is, what its label says, and what its kubelet says."""

from itertools import product
from typing import Any

from hypothesis import strategies as st

from policies.geography import PLACE_LABEL, UNPLACED, Geography, JurisdictionRule, Regions
from policies.snapshot import MemorySnapshot

# Sites stand for all places; two have names that Gt and Lt can compare. `elsewhere` is a label nobody knows.
SITES = {"fra-dc1": "DE", "par-dc1": "FR", "nyc-dc1": "US", "7": "DE", "12": "US"}
LABELS = [*SITES, "elsewhere"]
POOL, REGION = "pool", "topology.kubernetes.io/region"
EVERYWHERE = st.sampled_from(LABELS)
CODES = st.frozensets(EVERYWHERE, max_size=4)
GEOGRAPHY = Geography(
    Regions.builtin(),
    {
        "sites": [
            {"name": name, "country": country, "match": {"nodeNames": [f"{name}--*"]}}
            for name, country in SITES.items()
        ]
    },
)
RULE = JurisdictionRule.of({"locatedIn": {"sets": ["EU"]}}, GEOGRAPHY)
INSIDE = {"fra-dc1", "par-dc1", "7"}

Object = dict[str, Any]


def node(name: str, labels: Object) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


def _fleet() -> list[Object]:
    """Every mix of where a node is, whether its label says so, and what its kubelet says of pool and region."""
    kubelet = [None, "fra-dc1", "7"]
    mixes = product(SITES, [True, False], kubelet, kubelet)
    return [
        node(f"{site}--{index}", _labels({PLACE_LABEL: site if labelled else None, POOL: pool, REGION: region}))
        for index, (site, labelled, pool, region) in enumerate(mixes)
    ]


def _labels(labels: dict[str, str | None]) -> Object:
    return {key: value for key, value in labels.items() if value is not None}


FLEET = _fleet()
NAMES = [each["metadata"]["name"] for each in FLEET]
SNAPSHOTS = [MemorySnapshot.of(known) for known in ([], FLEET[::2], FLEET)]
KEYS = st.sampled_from([PLACE_LABEL, PLACE_LABEL, PLACE_LABEL, POOL, REGION])
VALUES = st.lists(EVERYWHERE, min_size=1, max_size=4, unique=True)
EXPRESSIONS = st.one_of(
    st.builds(
        lambda key, op, values: {"key": key, "operator": op, "values": values},
        KEYS,
        st.sampled_from(["In", "NotIn"]),
        VALUES,
    ),
    st.builds(lambda key, op: {"key": key, "operator": op}, KEYS, st.sampled_from(["Exists", "DoesNotExist"])),
    st.builds(
        lambda key, op, bound: {"key": key, "operator": op, "values": [str(bound)]},
        KEYS,
        st.sampled_from(["Gt", "Lt"]),
        st.sampled_from([0, 7, 9, 12, 20]),
    ),
)
FIELDS = st.builds(
    lambda op, name: {"key": "metadata.name", "operator": op, "values": [name]},
    st.sampled_from(["In", "NotIn"]),
    st.sampled_from(NAMES[::7]),
)
TERMS = st.fixed_dictionaries(
    {},
    optional={
        "matchExpressions": st.one_of(st.none(), st.lists(EXPRESSIONS, max_size=3)),
        "matchFields": st.one_of(st.none(), st.lists(FIELDS, min_size=1, max_size=1)),
    },
)
REQUIRED = st.one_of(
    st.none(),
    st.fixed_dictionaries({}, optional={"nodeSelectorTerms": st.one_of(st.none(), st.lists(TERMS, max_size=4))}),
)
AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {},
                optional={
                    "requiredDuringSchedulingIgnoredDuringExecution": REQUIRED,
                    "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
                        st.builds(lambda term: {"weight": 1, "preference": term}, TERMS), max_size=1
                    ),
                },
            ),
        ),
        "podAntiAffinity": st.just({}),
    },
)
SPECS = st.fixed_dictionaries(
    {"containers": st.just([{"name": "llm", "image": "vllm"}])},
    optional={
        "nodeSelector": st.one_of(st.none(), st.dictionaries(KEYS, EVERYWHERE, max_size=2)),
        "affinity": st.one_of(st.none(), AFFINITY),
        "tolerations": st.just([{"operator": "Exists"}]),
    },
)
PODS = st.builds(lambda spec: {"metadata": {"name": "p", "namespace": "team"}, "spec": spec}, SPECS)


def label(of: Object) -> str:
    return of["metadata"]["labels"].get(PLACE_LABEL, UNPLACED)


def truth(of: Object) -> str:
    return of["metadata"]["name"].partition("--")[0]
