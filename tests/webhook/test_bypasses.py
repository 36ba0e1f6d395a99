"""Attempts to get around the built-in rules, over HTTP against a webhook process; and that each rule is needed.

Every attempt is judged by the real process. Then, for each rule of the packs, a process without it is asked the same
attempts: at least one must come out otherwise, or the rule guards nothing.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.demo.client import Asker, Told
from webhook.demo.process import Process

PACKS = Path(__file__).parents[2] / "policies" / "packs"
DIGEST = "sha256:" + "6b3f" * 16
COMMIT = "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db"
PLACE = "bailiwick.node-restriction.kubernetes.io/place"
VIRGINIA_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
FRANKFURT_KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

LAW = """
apiVersion: bailiwick.dev/v1alpha1
kind: Jurisdiction
metadata: {name: eu}
spec: {locatedIn: {sets: [EU]}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: ClusterProfile
metadata: {name: cluster}
spec:
  cluster: test
  providers: [{name: aws, regions: [eu-central-1, us-east-1]}]
  storageClasses: [{name: foreign, place: aws.us-east-1, key: "KEY"}]
  keys:
  - {match: "vault:eu/*", place: aws.eu-central-1, assurance: software}
  - {match: "vault:revoked", place: aws.eu-central-1, revoked: true}
  - {match: "vault:attested", place: aws.eu-central-1, attested: "NOW", attestedWithin: 8760}
  - {match: "vault:stale", place: aws.eu-central-1, attested: "2020-01-01T00:00:00Z", attestedWithin: 24}
  - {match: "vault:to-come", place: aws.eu-central-1, attested: "2999-01-01T00:00:00Z", attestedWithin: 24}
  - {match: "vault:unattested", place: aws.eu-central-1, attestedWithin: 24}
  - {match: sealed-secrets, place: aws.us-east-1}
  - {match: store-eu, place: aws.eu-central-1}
  - {match: "https://vault.example.eu", place: aws.eu-central-1}
  infrastructureNamespaces: [network]
---
apiVersion: bailiwick.dev/v1alpha1
kind: DataClass
metadata: {name: sandboxed}
spec: {rank: 250, requires: {isolation: {runtime: sandboxed}}}
""".replace("KEY", VIRGINIA_KEY).replace("NOW", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

CLUSTER = """
apiVersion: v1
kind: Namespace
metadata: {name: clinic, labels: {bailiwick.dev/data-class: confidential, bailiwick.dev/jurisdiction: eu}}
---
apiVersion: v1
kind: Namespace
metadata: {name: agents, labels: {bailiwick.dev/data-class: sandboxed}}
---
apiVersion: v1
kind: Namespace
metadata: {name: unlabelled}
---
apiVersion: v1
kind: Namespace
metadata: {name: secretive, labels: {bailiwick.dev/data-class: restricted, bailiwick.dev/jurisdiction: eu}}
---
apiVersion: v1
kind: Namespace
metadata: {name: network}
---
apiVersion: v1
kind: Namespace
metadata: {name: misspelt, labels: {bailiwick.dev/data-class: confidental}}
---
apiVersion: v1
kind: Namespace
metadata: {name: stateless, labels: {bailiwick.dev/data-class: confidential}}
---
apiVersion: v1
kind: Node
metadata:
  name: virginia
  labels: {topology.kubernetes.io/region: us-east-1, topology.kubernetes.io/zone: us-east-1a, PLACE: aws.us-east-1}
spec: {providerID: aws:///us-east-1a/i-0a1b2c3d4e5f60718}
---
apiVersion: v1
kind: Node
metadata:
  name: frankfurt
  labels:
    topology.kubernetes.io/region: eu-central-1
    topology.kubernetes.io/zone: eu-central-1a
    PLACE: aws.eu-central-1
spec: {providerID: aws:///eu-central-1a/i-0a1b2c3d4e5f60718}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: gvisor}
handler: runsc
""".replace("PLACE", PLACE)


def container(**more: Any) -> dict[str, Any]:
    return {"name": "c", "image": f"registry.example/c@{DIGEST}", **more}


def pod(namespace: str = "clinic", containers: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace},
        "spec": {"containers": containers or [container()], **spec},
    }


def deployment(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "clinic"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec},
        },
    }


def backup(region: str, key: str) -> dict[str, Any]:
    return {
        "apiVersion": "velero.io/v1",
        "kind": "BackupStorageLocation",
        "metadata": {"name": "b", "namespace": "clinic"},
        "spec": {"provider": "aws", "objectStorage": {"bucket": "x"}, "config": {"region": region, "kmsKeyId": key}},
    }


def secret(key: str = "", namespace: str = "clinic") -> dict[str, Any]:
    annotations = {"bailiwick.dev/key": key} if key else {}
    metadata = {"name": "s", "namespace": namespace, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a": "b"}}


def named(api: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "n", "namespace": "clinic"}, **fields}


def store(provider: dict[str, Any]) -> dict[str, Any]:
    return named("external-secrets.io/v1", "SecretStore", spec={"provider": provider})


def under(annotation: str, key: str) -> dict[str, Any]:
    return {**pod(), "metadata": {"name": "p", "namespace": "clinic", "annotations": {annotation: key}}}


def bucket_under(key: str) -> dict[str, Any]:
    rules = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyID": key}}]
    return named("s3.services.k8s.aws/v1alpha1", "Bucket", spec={"name": "b", "encryption": {"rules": rules}})


def sops(*arns: str) -> dict[str, Any]:
    return named("isindir.github.com/v1alpha3", "SopsSecret", sops={"kms": [{"arn": arn} for arn in arns]})


def claim(storage_class: str) -> dict[str, Any]:
    spec = {
        "storageClassName": storage_class,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": "v", "namespace": "clinic"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def terms(*terms: Any) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def of_place(*codes: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": PLACE, "operator": "In", "values": list(codes)}]}


GPU = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
LINUX = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}


@dataclass(frozen=True)
class Attempt:
    """One try, in a sentence, and the reason code that it must be refused with; empty when it must be admitted."""

    sentence: str
    found: dict[str, Any]
    code: str = ""
    corrected: bool = False
    subresource: str = ""

    def __str__(self) -> str:
        return self.sentence


ATTEMPTS = (
    Attempt("a pod that says nothing is kept inside by the correction", pod(), corrected=True),
    Attempt(
        "a pod whose terms are ORed is narrowed in every term",
        pod(affinity=terms(of_place("aws.eu-central-1"), LINUX)),
        corrected=True,
    ),
    Attempt(
        "a pod with a GPU is kept on nodes that don't share it", pod(containers=[container(**GPU)]), corrected=True
    ),
    Attempt("a namespace without a class runs nothing", pod("unlabelled"), "namespace-unclassified"),
    Attempt("a misspelt class is no class", pod("misspelt"), "namespace-unclassified"),
    Attempt("a class with residency needs a jurisdiction", pod("stateless"), "jurisdiction-unknown"),
    Attempt("a node selector for another continent", pod(nodeSelector={PLACE: "aws.us-east-1"}), "place-conflict"),
    Attempt(
        "the same in a Deployment's template",
        deployment(pod(nodeSelector={PLACE: "aws.us-east-1"})["spec"]),
        "place-conflict",
    ),
    Attempt("a pod put on a foreign node by its name", pod(nodeName="virginia"), "place-outside-jurisdiction"),
    Attempt("a pod put on a node that nobody knows", pod(nodeName="nowhere"), "undetermined"),
    Attempt(
        "a GPU taken without asking for one",
        pod(containers=[container(env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}])]),
        "isolation-too-weak",
    ),
    Attempt(
        "a fraction of a GPU by annotation",
        {**pod(), "metadata": {"name": "p", "namespace": "clinic", "annotations": {"gpu-fraction": "0.5"}}},
        "isolation-too-weak",
    ),
    Attempt("a container where a sandbox is asked for", pod("agents"), "runtime-isolation-too-weak"),
    Attempt("a runtime class that nobody defined", pod("agents", runtimeClassName="none"), "undetermined"),
    Attempt("a sandbox where a sandbox is asked for", pod("agents", runtimeClassName="gvisor")),
    Attempt(
        "a model by a name that can be moved",
        pod(containers=[container(args=["--model", "meta-llama/Llama-3.1-8B-Instruct"])]),
        "model-not-pinned",
    ),
    Attempt(
        "a model by a branch",
        pod(containers=[container(args=["--model", "org/m", "--revision", "main"])]),
        "model-not-pinned",
    ),
    Attempt(
        "a model by its commit",
        pod(containers=[container(args=["--model", "org/m", "--revision", COMMIT])]),
        corrected=True,
    ),
    Attempt(
        "a model named by an environment variable",
        pod(containers=[container(env=[{"name": "HF_MODEL_ID", "value": "org/m"}])]),
        "model-not-pinned",
    ),
    Attempt("an image by tag", pod(containers=[{"name": "c", "image": "registry.example/c:v1"}]), "image-not-pinned"),
    Attempt(
        "an init container's image by tag",
        pod(initContainers=[{"name": "i", "image": "registry.example/i"}]),
        "image-not-pinned",
    ),
    Attempt("a Secret under a foreign key", secret(VIRGINIA_KEY), "key-outside-jurisdiction"),
    Attempt(
        "a Secret under a key that may be anywhere",
        secret(FRANKFURT_KEY.replace("key/", "key/mrk-")),
        "key-outside-jurisdiction",
    ),
    Attempt("a Secret under nobody knows which key", secret(), "key-missing"),
    Attempt("a Secret under a key of the jurisdiction", secret(FRANKFURT_KEY)),
    Attempt("a Secret whose key's path leads elsewhere", secret("vault:eu/../us/x"), "key-outside-jurisdiction"),
    Attempt(
        "a Secret under a key in software where hardware is asked for",
        secret("vault:eu/x", "secretive"),
        "key-assurance-too-low",
    ),
    Attempt("a Secret that nobody can place, with no key", secret(namespace="stateless"), "jurisdiction-unknown"),
    Attempt("a pod of the infrastructure", pod("network")),
    Attempt(
        "a GPU beside none of a splitter's memory is still a GPU that may be shared",
        pod(
            containers=[container(resources={"limits": {"nvidia.com/gpu": "1", "nvidia.com/gpumem": "0"}})],
            nodeSelector={"nvidia.com/gpu.sharing-strategy": "time-slicing"},
        ),
        corrected=True,
    ),
    Attempt(
        "a revision in a comment",
        pod(containers=[container(command=["sh", "-c", f"vllm serve org/m # --revision {COMMIT}"])]),
        "model-not-pinned",
    ),
    Attempt(
        "a revision of another command",
        pod(containers=[container(command=["sh", "-c", f"git log --revision {COMMIT}; vllm serve org/m"])]),
        "model-not-pinned",
    ),
    Attempt("a Secret under a revoked key", secret("vault:revoked"), "key-revoked"),
    Attempt("a Secret under a key attested just now", secret("vault:attested")),
    Attempt("a Secret under a key attested long ago", secret("vault:stale"), "key-not-attested"),
    Attempt("a Secret under a key whose attestation is to come", secret("vault:to-come"), "key-not-attested"),
    Attempt("a Secret under a key that nobody attested", secret("vault:unattested"), "key-not-attested"),
    Attempt(
        "a secret sealed to a foreign controller",
        named("bitnami.com/v1alpha1", "SealedSecret", spec={"encryptedData": {"a": "AgB"}}),
        "key-outside-jurisdiction",
    ),
    Attempt("a SOPS secret of which one key is foreign", sops(FRANKFURT_KEY, VIRGINIA_KEY), "key-outside-jurisdiction"),
    Attempt("a SOPS secret under keys inside", sops(FRANKFURT_KEY)),
    Attempt("a secret store of another continent", store({"aws": {"region": "us-east-1"}}), "key-outside-jurisdiction"),
    Attempt(
        "a Vault that nobody declared",
        store({"vault": {"server": "https://vault.example.com"}}),
        "key-outside-jurisdiction",
    ),
    Attempt("a Vault inside", store({"vault": {"server": "https://vault.example.eu"}})),
    Attempt(
        "an ExternalSecret of a store that nobody declared",
        named("external-secrets.io/v1", "ExternalSecret", spec={"secretStoreRef": {"name": "store-us"}}),
        "key-outside-jurisdiction",
    ),
    Attempt(
        "an ExternalSecret of a store inside",
        named("external-secrets.io/v1", "ExternalSecret", spec={"secretStoreRef": {"name": "store-eu"}}),
    ),
    Attempt(
        "a Secret pushed to a store that nobody declared",
        named("external-secrets.io/v1alpha1", "PushSecret", spec={"secretStoreRefs": [{"name": "store-us"}]}),
        "key-outside-jurisdiction",
    ),
    Attempt(
        "secrets mounted from a foreign Vault",
        named(
            "secrets-store.csi.x-k8s.io/v1",
            "SecretProviderClass",
            spec={"provider": "vault", "parameters": {"vaultAddress": "https://vault.example.com"}},
        ),
        "key-outside-jurisdiction",
    ),
    Attempt("a bucket under a foreign key", bucket_under(VIRGINIA_KEY), "key-outside-jurisdiction"),
    Attempt("a bucket under a key inside", bucket_under(FRANKFURT_KEY)),
    Attempt(
        "a Google bucket under a multi-region's key",
        named(
            "storage.cnrm.cloud.google.com/v1beta1",
            "StorageBucket",
            spec={
                "location": "EU",
                "encryption": {"kmsKeyRef": {"external": "projects/p/locations/europe/keyRings/r/cryptoKeys/k"}},
            },
        ),
        "key-outside-jurisdiction",
    ),
    Attempt("a pod under a foreign key", under("bailiwick.dev/key", VIRGINIA_KEY), "key-outside-jurisdiction"),
    Attempt(
        "an image that a foreign key decrypts",
        under("bailiwick.dev/image-key", VIRGINIA_KEY),
        "key-outside-jurisdiction",
    ),
    Attempt("an image that a key inside decrypts", under("bailiwick.dev/image-key", FRANKFURT_KEY), corrected=True),
    Attempt("an image that a revoked key decrypts", under("bailiwick.dev/image-key", "vault:revoked"), "key-revoked"),
    Attempt("a volume of a class under a foreign key", claim("foreign"), "key-outside-jurisdiction"),
    Attempt("backups in a foreign bucket", backup("us-east-1", FRANKFURT_KEY), "data-outside-jurisdiction"),
    Attempt("backups under a foreign key", backup("eu-central-1", VIRGINIA_KEY), "key-outside-jurisdiction"),
    Attempt("backups inside", backup("eu-central-1", FRANKFURT_KEY)),
    Attempt(
        "a binding to a foreign node",
        {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "p", "namespace": "clinic"},
            "target": {"kind": "Node", "name": "virginia"},
        },
        "node-outside-jurisdiction",
        subresource="binding",
    ),
    Attempt(
        "a binding to a node inside",
        {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "p", "namespace": "clinic"},
            "target": {"kind": "Node", "name": "frankfurt"},
        },
        subresource="binding",
    ),
)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the law and the cluster of these tests."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "law.yaml").write_text(LAW)
    (folder / "cluster.yaml").write_text(CLUSTER)
    return folder


@pytest.fixture(scope="module")
def webhook(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A webhook process with all built-in packs."""
    process = _process(given, tmp_path_factory.mktemp("state"), [])
    yield process.ready()
    assert process.stop() == 0


def _process(given: Path, state: Path, more: list[str]) -> Process:
    rules = ["--rules", str(given / "law.yaml"), "--snapshot", str(given / "cluster.yaml"), "--linger", "0"]
    return Process(state, [*rules, *more])


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
def test_the_attempt_comes_out_as_it_must(webhook: Asker, attempt: Attempt) -> None:
    """Refused with its reason, corrected, or admitted, as the attempt's sentence says."""
    told = webhook.create(attempt.found, attempt.subresource)
    assert (_code(told, attempt), told.allowed) == (attempt.code, not attempt.code)
    assert bool(told.patch and told.allowed) is attempt.corrected


def _code(told: Told, attempt: Attempt) -> str:
    """The expected code where it is among the reasons, else whatever was said."""
    text = "\n".join(told.messages)
    return attempt.code if attempt.code in text else text


def _rules() -> Iterator[tuple[str, str, int]]:
    for path in sorted(PACKS.glob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text()):
            for kind in ("validations", "mutations"):
                for index, _ in enumerate(found["spec"].get(kind, ())):
                    yield found["metadata"]["name"], kind, index


@pytest.mark.parametrize(("policy", "kind", "index"), list(_rules()))
def test_without_the_rule_an_attempt_comes_out_otherwise(
    given: Path, tmp_path: Path, policy: str, kind: str, index: int
) -> None:
    """Every rule of every pack is needed: deleting it lets something through, or refuses what it would have mended."""
    packs = [
        copy.deepcopy(found) for path in sorted(PACKS.glob("*.yaml")) for found in yaml.safe_load_all(path.read_text())
    ]
    for found in packs:
        if found["metadata"]["name"] == policy:
            del found["spec"][kind][index]
    kept = [
        found
        for found in packs
        if found["kind"] == "DataClass" or found["spec"].get("validations") or found["spec"].get("mutations")
    ]
    (tmp_path / "packs.yaml").write_text(yaml.safe_dump_all(kept))
    process = _process(given, tmp_path, ["--no-packs", "--rules", str(tmp_path / "packs.yaml")])
    try:
        webhook = process.ready()
        outcomes = [_outcome(webhook.create(attempt.found, attempt.subresource)) for attempt in ATTEMPTS]
    finally:
        process.stop()
    expected = [(not attempt.code, attempt.corrected) for attempt in ATTEMPTS]
    assert outcomes != expected


def _outcome(told: Told) -> tuple[bool, bool]:
    return told.allowed, bool(told.patch and told.allowed)
