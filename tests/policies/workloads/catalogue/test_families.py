"""Kinds of which there are thousands: each group of a provider's operator in one row, by how the groups' names end."""

import pytest

from policies.workloads import extract
from policies.workloads.catalogue.kinds import builtin, knows_scope, resource_of


def told(version, kind, metadata=None, **spec):
    subject = {"apiVersion": version, "kind": kind, "metadata": metadata or {}, "spec": spec}
    fields = ("kind", "host", "provider", "region")
    return [(one["path"], *[one[name] for name in fields if one[name]]) for one in extract(subject)["destinations"]]


@pytest.mark.parametrize(
    ("version", "kind", "spec", "expected"),
    [
        (
            "rds.aws.m.upbound.io/v1beta1",
            "Instance",
            {"forProvider": {"region": "us-west-1", "engine": "postgres"}},
            [("spec.forProvider.region", "vendor", "aws", "us-west-1")],
        ),
        (
            "kms.aws.upbound.io/v1beta2",
            "ReplicaKey",
            {"forProvider": {"region": "eu-west-3", "primaryKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"}},
            [
                ("spec.forProvider.region", "vendor", "aws", "eu-west-3"),
                ("spec.forProvider.primaryKeyArn", "vendor", "aws", "us-east-1"),
            ],
        ),
        (
            "dynamodb.aws.upbound.io/v1beta1",
            "GlobalTable",
            {"forProvider": {"region": "eu-west-3", "replica": [{"regionName": "us-east-1"}]}},
            [
                ("spec.forProvider.region", "vendor", "aws", "eu-west-3"),
                ("spec.forProvider.replica[0].regionName", "vendor", "aws", "us-east-1"),
            ],
        ),
        (
            "cognitiveservices.azure.upbound.io/v1beta1",
            "Account",
            {"forProvider": {"location": "East US", "kind": "OpenAI"}},
            [("spec.forProvider.location", "vendor", "azure", "eastus")],
        ),
        (
            "machinelearningservices.azure.com/v1api20240401",
            "Workspace",
            {"location": "westeurope"},
            [("spec.location", "vendor", "azure", "westeurope")],
        ),
        (
            "compute.cnrm.cloud.google.com/v1beta1",
            "ComputeInstance",
            {"zone": "us-central1-a"},
            [("spec.zone", "nodes", "gcp", "us-central1-a")],
        ),
        (
            "vertexai.cnrm.cloud.google.com/v1beta1",
            "VertexAIDataset",
            {"region": "us-central1", "metadataSchemaUri": "gs://schemas/image.yaml"},
            [
                ("spec.region", "vendor", "gcp", "us-central1"),
                ("spec.metadataSchemaUri", "host", "gs://schemas/image.yaml"),
            ],
        ),
    ],
)
def test_what_a_provider_makes_is_where_it_says(version, kind, spec, expected):
    """A database, key, workspace or machine that an operator makes at a cloud lies in the region that it names."""
    assert told(version, kind, **spec) == expected


def test_a_controller_of_aws_has_a_region_of_its_own():
    """Without the annotation ACK makes things in its controller's region, which an object can't tell."""
    spec = {"productionVariants": [{"modelName": "m", "instanceType": "ml.g5.xlarge"}]}
    endpoint = ("sagemaker.services.k8s.aws/v1alpha1", "EndpointConfig")
    assert told(*endpoint, **spec) == [("metadata", "vendor", "aws")]
    annotated = {"annotations": {"services.k8s.aws/region": "eu-central-1"}}
    assert [one[2:] for one in told(*endpoint, annotated, **spec)] == [("aws", "eu-central-1")]
    assert told("iam.services.k8s.aws/v1alpha1", "Role", name="r") == []


def test_a_row_of_its_own_comes_first():
    """A kind with rows of its own is read by these, and not by its family's."""
    (bucket,) = told("s3.services.k8s.aws/v1alpha1", "Bucket", name="b", createBucketConfiguration={})
    assert bucket[1] == "bucket"
    assert told("karpenter.azure.com/v1beta1", "AKSNodeClass", location="eastus") == []


def test_a_family_says_where_its_objects_lie():
    """Crossplane's resources lie in no namespace, those of its second version do; other groups aren't of the family."""
    assert resource_of("rds.aws.upbound.io", "v1beta1", "Instance") == ("instances", False)
    assert resource_of("rds.aws.m.upbound.io", "v1beta1", "Proxy") == ("proxies", True)
    assert knows_scope("rds.aws.upbound.io", "v1beta1", "Instance")
    assert builtin().kind_of("aws.upbound.io", "v1beta1", "ProviderConfig") is None
    assert builtin().kind_of("services.k8s.aws.evil.example", "v1", "X") is None


def test_kinds_of_a_family_share_what_is_compiled():
    """A tenant's text is no key of anything that is kept: a million names of kinds are one entry."""
    one = builtin().kind_of("rds.services.k8s.aws", "v1alpha1", "A")
    assert builtin().kind_of("ec2.services.k8s.aws", "v9", "B") is one
