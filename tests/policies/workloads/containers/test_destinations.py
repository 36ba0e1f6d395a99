"""Where data goes, whose key it is under, who acts: as the object states it."""

import pytest

from policies.workloads import extract, kind_of
from policies.workloads.catalogue.compile import entries
from policies.workloads.catalogue.kinds import builtin
from policies.workloads.catalogue.tables import HERE


def destinations(version, kind, metadata=None, **fields):
    subject = {"apiVersion": version, "kind": kind, "metadata": metadata or {}, **fields}
    fields = ("kind", "host", "bucket", "cluster", "provider", "region", "what")
    return [{name: one[name] for name in fields if one[name]} for one in extract(subject)["destinations"]]


def velero(**spec):
    return destinations("velero.io/v1", "BackupStorageLocation", spec=spec)


def test_backups():
    """A backup location is a bucket, with its plugin, region and endpoint as written."""
    bucket = {"bucket": "b"}
    assert velero(
        provider="aws", objectStorage=bucket, config={"region": "eu-central-1", "s3Url": "https://s3.example"}
    ) == [
        {
            "kind": "bucket",
            "host": "https://s3.example",
            "bucket": "b",
            "provider": "aws",
            "region": "eu-central-1",
            "what": "backups",
        }
    ]
    assert velero(provider="gcp", objectStorage=bucket) == [
        {"kind": "bucket", "bucket": "b", "provider": "gcp", "what": "backups"}
    ]
    azure = velero(
        provider="azure", objectStorage=bucket, config={"storageAccountURI": "https://x.blob.core.windows.net"}
    )
    assert [one["host"] for one in azure] == ["https://x.blob.core.windows.net"]


def test_absence_is_not_local():
    """What a kind fills in by itself, or reads absence as, is said as if it were written."""
    backend = {"ai": {"provider": {"bedrock": {"model": "m"}}}}
    assert destinations("agentgateway.dev/v1alpha1", "AgentgatewayBackend", spec=backend)[0]["region"] == "us-east-1"
    backend = {"ai": {"groups": [{"providers": [{"vertexai": {}}]}]}}
    assert destinations("agentgateway.dev/v1alpha1", "AgentgatewayBackend", spec=backend)[0]["region"] == "global"
    backend = {"ai": {"provider": {"openai": {}}}}
    assert destinations("agentgateway.dev/v1alpha1", "AgentgatewayBackend", spec=backend)[0]["host"] == "api.openai.com"
    config = {"provider": "Anthropic", "model": "m"}
    assert destinations("kagent.dev/v1alpha2", "ModelConfig", spec=config)[0]["host"] == "api.anthropic.com"
    everywhere = [{"kind": "cluster", "cluster": "*", "what": "workloads"}]
    assert destinations("policy.karmada.io/v1alpha1", "PropagationPolicy", spec={}) == everywhere
    assert destinations("cluster.open-cluster-management.io/v1beta1", "Placement", spec={}) == everywhere


def test_a_service_that_kserve_makes_beside_a_model():
    """A template's name of a child object is a service of the cluster; any other template may say anything."""
    child = "tcp://{{ ChildName .ObjectMeta.Name `-epp-service` }}:5557"
    other = "tcp://{{ `a.example` }}:5557"
    container = {"name": "main", "image": "x", "args": ["--zmq-endpoint", child, "--to", other]}
    found = destinations(
        "serving.kserve.io/v1alpha2", "LLMInferenceService", spec={"template": {"containers": [container]}}
    )
    assert [one["host"] for one in found] == ["tcp://child:5557", "tcp://{{"]


def test_a_guid_is_no_address():
    """Eight pairs of hexadecimal digits name a port of a fabric, and no host."""
    ports = {"pKeyGUIDPoolRangeStart": "02:00:00:00:00:00:00:00", "at": "2001:db8:0:0:0:0:0:1"}
    assert [one["host"] for one in destinations("x.example/v1", "Fabric", spec=ports)] == ["2001:db8:0:0:0:0:0:1"]


def test_a_service_that_is_only_a_name():
    """An ExternalName leads out; a type that ignores the field doesn't."""
    spec = {"type": "ExternalName", "externalName": "api.example.com"}
    assert destinations("v1", "Service", spec=spec) == [{"kind": "host", "host": "api.example.com", "what": "data"}]
    assert destinations("v1", "Service", spec={"type": "ClusterIP", "externalName": "api.example.com"}) == []


def test_open_proxies():
    """A backend that leads anywhere leads anywhere."""
    spec = {"type": "DynamicResolver"}
    assert destinations("gateway.envoyproxy.io/v1alpha1", "Backend", spec=spec) == [
        {"kind": "open", "host": "*", "what": "inference"}
    ]
    egress = {"egress": [{"toEntities": ["world"]}, {"toEntities": ["cluster"]}]}
    assert destinations("cilium.io/v2", "CiliumNetworkPolicy", spec=egress) == [
        {"kind": "open", "host": "*", "what": "data"}
    ]


def test_raw_envoy_configuration():
    """What a patch of Envoy's own configuration adds is where it leads, unless that is in the cluster."""
    socket = {"endpoint": {"address": {"socket_address": {"address": "api.openai.com", "port_value": 443}}}}
    inside = {"endpoint": {"address": {"socket_address": {"address": "router.ai.svc.cluster.local"}}}}
    cluster = {"load_assignment": {"endpoints": [{"lb_endpoints": [socket, inside, socket]}]}}
    filtered = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter"}
    patched = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyPatchPolicy"}
    filtered["spec"] = {"configPatches": [{"patch": {"operation": "ADD", "value": cluster}}]}
    patched["spec"] = {"jsonPatches": [{"operation": {"op": "add", "path": "", "value": cluster}}]}
    for one in (filtered, patched):
        assert [found["host"] for found in extract(one)["destinations"]] == ["api.openai.com"]


def test_work_that_leaves_the_cluster():
    """A job handed to MultiKueue may run in any of its clusters."""
    spec = {"managedBy": "kueue.x-k8s.io/multikueue", "template": {"spec": {"containers": []}}}
    assert destinations("batch/v1", "Job", spec=spec) == [{"kind": "cluster", "cluster": "*", "what": "workloads"}]
    assert destinations("batch/v1", "Job", spec={**spec, "managedBy": "kubernetes.io/job-controller"}) == []


def pod(container=None, **spec):
    return destinations("v1", "Pod", spec={"containers": [{"name": "c", **(container or {})}], **spec})


TOLD = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example.com:4317", "telemetry"),
    ("HF_ENDPOINT", "https://hub.example.com", "models"),
    ("OPENAI_BASE_URL", "https://api.openai.com/v1", "inference"),
    ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com", "inference"),
    ("AWS_ENDPOINT_URL", "https://s3.eu-central-1.amazonaws.com", "data"),
    ("REDIS_HOST", "redis.example.com", "data"),
    ("OIDC_ISSUER", "https://login.example.com", "identity"),
    ("DATABASE_URL", "postgresql://u:p@db.example.com/x", "data"),
]


@pytest.mark.parametrize(("name", "value", "what"), TOLD)
def test_addresses_in_the_environment(name, value, what):
    """An address that a container is told is a destination, for what its name says."""
    assert pod({"env": [{"name": name, "value": value}]}) == [{"kind": "host", "host": value, "what": what}]


INSIDE = [
    "http://localhost:8000",
    "http://127.0.0.1:9090/metrics",
    "http://collector.observability.svc:4317",
    "grpc://x.y.svc.cluster.local:1",
    "http://0.0.0.0:80",
    "redis://redis.data.svc.cluster.local.",
    "http://minio-{0...3}.minio.data.svc.cluster.local/export",
    "sqlite:///:memory:",
    "sqlite+aiosqlite:////data/mlflow.db",
    "PLAINTEXT://:9092",
    "http://:8080/metrics",
]


@pytest.mark.parametrize("value", INSIDE)
def test_addresses_inside_the_cluster(value):
    """The pod itself and the cluster's own services are no destination of a container."""
    assert pod({"env": [{"name": "ANY_URL", "value": value}], "args": [f"--target={value}"]}) == []


@pytest.mark.parametrize(
    "value",
    [
        "http://a.svc.clusterset.local",
        "http://localhost.example.com",
        "http://svc.example.com",
        "http://x@localhost@evil.example",
        "postgresql:///db?host=evil.example",
        "sqlite:///x.db?sync_url=evil.example",
        "s3:///bucket/x",
        "http://:9092@evil.example",
    ],
)
def test_addresses_that_only_look_inside(value):
    """Names that resemble the cluster's own are destinations."""
    assert [one["host"] for one in pod({"env": [{"name": "ANY_URL", "value": value}]})] == [value]


def test_addresses_in_arguments_and_scripts():
    """Flags and scripts name destinations, once each, variables filled in."""
    container = {
        "env": [{"name": "PLACE", "value": "models.example.com"}],
        "command": ["sh", "-c", "curl https://$PLACE/a && curl https://$PLACE/a"],
        "args": ["--otlp-traces-endpoint=https://otlp.example.com", "--remote", "s3://bucket/x"],
    }
    assert [(one["host"], one["what"]) for one in pod(container)] == [
        ("https://models.example.com/a", "data"),
        ("https://otlp.example.com", "telemetry"),
        ("s3://bucket/x", "data"),
    ]


def test_network_volumes():
    """A volume over the network is where its server or bucket is."""
    volumes = [
        {"name": "a", "nfs": {"server": "nfs.example.com", "path": "/"}},
        {"name": "b", "cephfs": {"monitors": ["10.0.0.1:6789", "10.0.0.2:6789"]}},
        {"name": "c", "csi": {"driver": "gcsfuse.csi.storage.gke.io", "volumeAttributes": {"bucketName": "models"}}},
    ]
    assert pod(volumes=volumes) == [
        {"kind": "host", "host": "nfs.example.com", "what": "data"},
        {"kind": "host", "host": "10.0.0.1:6789", "what": "data"},
        {"kind": "host", "host": "10.0.0.2:6789", "what": "data"},
        {"kind": "bucket", "bucket": "models", "provider": "gcp", "what": "data"},
    ]


KEYS = [
    (
        "storage.k8s.io/v1",
        "StorageClass",
        {"parameters": {"kmsKeyId": "arn:aws:kms:eu-central-1:1:key/a"}},
        ("arn:aws:kms:eu-central-1:1:key/a", "volume"),
    ),
    (
        "storage.k8s.io/v1",
        "StorageClass",
        {"parameters": {"disk-encryption-kms-key": "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k"}},
        ("projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k", "volume"),
    ),
    ("velero.io/v1", "BackupStorageLocation", {"spec": {"config": {"kmsKeyId": "k"}}}, ("k", "backup")),
    (
        "v1",
        "Secret",
        {"metadata": {"annotations": {"bailiwick.dev/key": "vault:transit/eu"}}},
        ("vault:transit/eu", "secret"),
    ),
    (
        "external-secrets.io/v1",
        "ExternalSecret",
        {"spec": {"secretStoreRef": {"name": "vault-eu", "kind": "SecretStore"}}},
        ("vault-eu", "store"),
    ),
    (
        "external-secrets.io/v1",
        "SecretStore",
        {"spec": {"provider": {"vault": {"server": "https://vault.example.com"}}}},
        ("https://vault.example.com", "secret"),
    ),
    ("bitnami.com/v1alpha1", "SealedSecret", {"spec": {"encryptedData": {"a": "b"}}}, ("sealed-secrets", "secret")),
    (
        "argoproj.io/v1alpha1",
        "Workflow",
        {"spec": {"templates": [{"outputs": {"artifacts": [{"s3": {"encryptionOptions": {"kmsKeyId": "k"}}}]}}]}},
        ("k", "bucket"),
    ),
    (
        "karpenter.k8s.aws/v1",
        "EC2NodeClass",
        {"spec": {"blockDeviceMappings": [{"ebs": {"kmsKeyID": "k"}}]}},
        ("k", "node"),
    ),
]


@pytest.mark.parametrize(("version", "kind", "fields", "expected"), KEYS, ids=lambda value: str(value)[:40])
def test_keys(version, kind, fields, expected):
    """The key that an object's data is under is what it says it is."""
    keys = extract({"apiVersion": version, "kind": kind, **fields})["keys"]
    assert [(one["reference"], one["purpose"]) for one in keys] == [expected]


def test_keys_of_pods():
    """A pod template names its key by an annotation."""
    template = {"metadata": {"annotations": {"bailiwick.dev/key": "k"}}, "spec": {"containers": []}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}}
    assert extract(deployment)["keys"] == [
        {"path": 'spec.template.metadata.annotations["bailiwick.dev/key"]', "reference": "k", "purpose": "object"}
    ]


def test_identities():
    """A pod acts as its service account, towards the audiences of its tokens."""
    token = {"serviceAccountToken": {"audience": "vault", "path": "t"}}
    spec = {"serviceAccountName": "vllm", "volumes": [{"name": "t", "projected": {"sources": [token]}}]}
    found = extract({"apiVersion": "v1", "kind": "Pod", "spec": spec})["identities"]
    assert [(one["serviceAccount"], one["audience"]) for one in found] == [("vllm", ""), ("vllm", "vault")]
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"serviceAccountName": "argo"}}
    assert [one["path"] for one in extract(workflow)["identities"]] == ["spec.serviceAccountName"]


def test_every_row_of_the_catalogue():
    """Rows speak of what they should: known fields, known purposes, and a source for each entry."""
    fields = {
        "images": {"at", "reference", "parts", "tag", "digest", "sha256", "when", "unless", "read"},
        "models": {"at", "reference", "revision", "scheme", "when", "unless", "read"},
        "devices": {"at", "resource", "claim", "count", "mechanism", "level", "when", "unless", "read"},
        "destinations": {
            "at",
            "kind",
            "host",
            "bucket",
            "cluster",
            "provider",
            "region",
            "what",
            "when",
            "unless",
            "read",
        },
        "keys": {"at", "reference", "form", "purpose", "when", "unless"},
        "identities": {"at", "serviceAccount", "audience", "role"},
        "nested": {"at", "read"},
    }
    purposes = {"backups", "telemetry", "models", "inference", "images", "data", "identity", "tools", "workloads"}
    listed = entries((HERE / "catalogue.yaml").read_text(), "catalogue.yaml")
    assert len(listed) > 341
    for entry in listed:
        assert entry["source"], entry["kind"]
        assert entry["verified"], entry["kind"]
        for fact, known in fields.items():
            for row in entry.get(fact, ()):
                if isinstance(row, dict):
                    assert set(row) <= known, (entry["kind"], row)
        for row in entry.get("destinations", ()):
            assert row["what"] in purposes, (entry["kind"], row)


def test_the_catalogue_is_whole():
    """Every kind can be looked up in each of its versions, and its paths compile."""
    assert len(builtin()) > 320
    for name, rows in builtin().kinds.items():
        group, _, kind = name.rpartition("/")
        for row in rows:
            for version in row["versions"]:
                entry = kind_of(group, version, kind)
                assert version in entry.row["versions"]
                for fact in ("images", "models", "devices", "destinations", "keys", "identities", "nested"):
                    assert entry.paths(fact) is entry.paths(fact)
                assert entry.templates is entry.templates
