"""What values, keys and configurations say of themselves, read without any key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keymgmt.etcd import ConfigurationInvalid, Coverage, Plain, Sealed, Unreadable, located, parse_value


def field(number: int, data: bytes) -> bytes:
    """One length-delimited field of a message."""
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def kms(key: str = "bwk1.abc", source: bytes = b"sealed", data: bytes = b"data", **annotations: str) -> bytes:
    """What kube-apiserver stores with a KMS v2 provider."""
    said = b"".join(
        field(4, field(1, f"{name}.keys.bailiwick.dev".encode()) + field(2, value.encode()))
        for name, value in annotations.items()
    )
    object_ = field(1, data) + field(2, key.encode()) + field(3, source) + said + b"\x28\x01"
    return b"k8s:enc:kms:v2:bailiwick-eu:" + object_


@pytest.mark.parametrize(
    ("value", "means"),
    [
        (b'{"kind":"Secret"}', Plain()),
        (b"k8s\x00\x0a\x0c", Plain()),
        (b"", Plain()),
        (b"k8s:enc:aescbc:v1:key1:\x00\x01", Sealed("aescbc:v1", "", "key1")),
        (b"k8s:enc:secretbox:v1:k:\x00", Sealed("secretbox:v1", "", "k")),
        (b"k8s:enc:kms:v1:vault:\x00\x01", Sealed("kms:v1", "vault", "")),
        (kms(region="eu-de", jurisdiction="DE"), Sealed("kms:v2", "bailiwick-eu", "bwk1.abc", "eu-de", "DE")),
        (kms(), Sealed("kms:v2", "bailiwick-eu", "bwk1.abc")),
        (kms(key=""), Unreadable("its EncryptedObject names no key, or has no data key")),
        (kms(source=b""), Unreadable("its EncryptedObject names no key, or has no data key")),
        (b"k8s:enc:kms:v2:n:\xff\xff", Unreadable("its EncryptedObject can't be read: a number has no end")),
        (b"k8s:enc:rot13:v1:k:x", Unreadable("the provider `rot13:v1` is not known")),
        (b"k8s:enc:aescbc:v9:k:x", Unreadable("the provider `aescbc:v9` is not known")),
        (b"k8s:enc:aes", Unreadable("its prefix is cut off")),
    ],
)
def test_values(value: bytes, means: object) -> None:
    """Each form of a stored value is told, and what isn't known is never taken for sealed."""
    assert parse_value(value) == means


@given(st.binary(max_size=200), st.sampled_from([b"", b"k8s:enc:", b"k8s:enc:kms:v2:n:", b"k8s:enc:kms:v2:n:\x12\x03"]))
def test_any_value(data: bytes, prefix: bytes) -> None:
    """Any bytes are plain, sealed by somebody named, or unreadable."""
    found = parse_value(prefix + data)
    assert isinstance(found, Plain) is not (prefix + data).startswith(b"k8s:enc:")
    assert not isinstance(found, Sealed) or found.by


@pytest.mark.parametrize(
    ("key", "resource", "namespace", "name"),
    [
        ("/registry/secrets/clinic/token", "secrets", "clinic", "token"),
        ("/registry/namespaces/clinic", "namespaces", "", "clinic"),
        ("/registry/minions/node-1", "nodes", "", "node-1"),
        ("/registry/services/specs/clinic/web", "services", "clinic", "web"),
        ("/registry/services/endpoints/clinic/web", "endpoints", "clinic", "web"),
        ("/registry/deployments/clinic/vllm", "deployments.apps", "clinic", "vllm"),
        ("/registry/apiregistration.k8s.io/apiservices/v1.", "apiservices.apiregistration.k8s.io", "", "v1."),
        ("/registry/serving.kserve.io/inferenceservices/a/b", "inferenceservices.serving.kserve.io", "a", "b"),
        ("/registry/ranges/serviceips", "ranges", "", "serviceips"),
    ],
)
def test_keys(key: str, resource: str, namespace: str, name: str) -> None:
    """Keys of kube-apiserver's registry name resource, namespace and object as kubectl does."""
    found = located(key.encode())
    assert found is not None
    assert (found.resource, found.namespace, found.name) == (resource, namespace, name)


@given(st.binary(max_size=60))
def test_any_key(key: bytes) -> None:
    """Any key is somewhere below the prefix, or isn't."""
    assert (located(key) is not None) is key.startswith(b"/registry/")


CONFIGURATION = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "EncryptionConfiguration",
    "resources": [
        {"resources": ["secrets"], "providers": [{"kms": {"apiVersion": "v2", "name": "eu", "endpoint": "unix:///x"}}]},
        {"resources": ["events", "*.apps"], "providers": [{"identity": {}}, {"aescbc": {"keys": [{"name": "a"}]}}]},
        {"resources": ["*."], "providers": [{"aesgcm": {"keys": [{"name": "k1"}, {"name": "k2"}]}}, {"identity": {}}]},
        {"resources": ["*.*"], "providers": [{"secretbox": {"keys": [{"name": "s"}]}}]},
    ],
}


@pytest.mark.parametrize(
    ("resource", "provider", "key"),
    [
        ("secrets", "kms:v2:eu", ""),
        ("configmaps", "aesgcm:v1", "k1"),
        ("leases.coordination.k8s.io", "secretbox:v1", "s"),
        ("events", None, None),
        ("deployments.apps", None, None),
    ],
)
def test_what_a_configuration_asks_for(resource: str, provider: str | None, key: str | None) -> None:
    """The first entry that names a resource counts, its first provider writes; identity means plain."""
    rule = Coverage.parse(CONFIGURATION).rule(resource)
    assert (rule and rule.provider, rule and rule.key) == (provider, key)


@pytest.mark.parametrize(
    "wrong", [None, [], {"kind": "Secret"}, {"kind": "EncryptionConfiguration", "resources": [{}]}]
)
def test_no_configuration(wrong: object) -> None:
    """What is no EncryptionConfiguration is refused."""
    with pytest.raises(ConfigurationInvalid):
        Coverage.parse(wrong)
