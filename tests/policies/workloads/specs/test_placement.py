"""What an object says of where it runs: pods and kinds without pods, what binds and what doesn't."""

from policies.workloads import extract

REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
REGION = {"key": "topology.kubernetes.io/region", "operator": "In", "values": ["eu-west-3", "eu-west-1"]}


def of(version, kind, **fields):
    found = extract({"apiVersion": version, "kind": kind, **fields})["placement"]
    return [(one["path"], one["kind"], one["key"], one["operator"], *one["values"]) for one in found]


def test_what_binds_a_pod():
    """Selectors, required affinity, names, runtimes, schedulers and hard spread bind a pod, each at its own path."""
    affinity = {
        "nodeAffinity": {
            REQUIRED: {
                "nodeSelectorTerms": [
                    {"matchExpressions": [REGION]},
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
                ]
            },
            PREFERRED: [{"weight": 1, "preference": {"matchExpressions": [REGION]}}],
        },
        "podAffinity": {REQUIRED: [{"topologyKey": "rack"}]},
        "podAntiAffinity": {REQUIRED: [{"topologyKey": "host"}], PREFERRED: [{"weight": 1}]},
    }
    spec = {
        "containers": [],
        "nodeSelector": {"a.b/c": "d", "wrong": 1},
        "affinity": affinity,
        "nodeName": "n1",
        "schedulerName": "kai-scheduler",
        "runtimeClassName": "kata",
        "tolerations": [{"operator": "Exists"}],
        "topologySpreadConstraints": [
            {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
            {"topologyKey": "host", "whenUnsatisfiable": "ScheduleAnyway"},
        ],
    }
    terms = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    assert of("v1", "Pod", spec=spec) == [
        ('spec.nodeSelector["a.b/c"]', "label", "a.b/c", "In", "d"),
        (f"{terms}[0].matchExpressions[0]", "label", REGION["key"], "In", "eu-west-3", "eu-west-1"),
        (f"{terms}[1].matchFields[0]", "field", "metadata.name", "In", "n1"),
        (f"spec.affinity.podAffinity.{REQUIRED}[0].topologyKey", "together", "", "In", "rack"),
        (f"spec.affinity.podAntiAffinity.{REQUIRED}[0].topologyKey", "apart", "", "In", "host"),
        ("spec.nodeName", "node", "", "In", "n1"),
        ("spec.schedulerName", "scheduler", "", "In", "kai-scheduler"),
        ("spec.runtimeClassName", "runtime", "", "In", "kata"),
        ("spec.topologySpreadConstraints[0].topologyKey", "spread", "", "In", "zone"),
    ]


def test_kinds_without_pods():
    """Flavors, node pools, datasets and jobs of other schedulers say where what they make will run."""
    flavor = of("kueue.x-k8s.io/v1beta2", "ResourceFlavor", spec={"nodeLabels": {"pool": "eu"}})
    assert flavor == [("spec.nodeLabels.pool", "label", "pool", "In", "eu")]
    pool = of("karpenter.sh/v1", "NodePool", spec={"template": {"spec": {"requirements": [REGION]}}})
    assert pool == [("spec.template.spec.requirements[0]", "label", REGION["key"], "In", "eu-west-3", "eu-west-1")]
    terms = {"required": {"nodeSelectorTerms": [{"matchExpressions": [REGION]}]}}
    (dataset,) = of("data.fluid.io/v1alpha1", "Dataset", spec={"nodeAffinity": terms})
    assert dataset[1:3] == ("label", REGION["key"])
    job = of("batch.volcano.sh/v1alpha1", "Job", spec={"schedulerName": "volcano", "tasks": []})
    assert job == [("spec.schedulerName", "scheduler", "", "In", "volcano")]


def test_a_constraint_is_said_once():
    """What a flat kind's own fields say isn't said again by the pod that is put together from them."""
    deployment = {"image": "a", "nodeSelector": {"kubernetes.io/os": "linux"}}
    found = of("kagent.dev/v1alpha1", "MCPServer", spec={"deployment": deployment})
    assert found == [('spec.deployment.nodeSelector["kubernetes.io/os"]', "label", "kubernetes.io/os", "In", "linux")]


def test_labels_that_select_pods_bind_no_nodes():
    """A selector of pods says nothing about nodes."""
    assert of("inference.networking.k8s.io/v1", "InferencePool", spec={"selector": {"matchLabels": {"a": "b"}}}) == []
