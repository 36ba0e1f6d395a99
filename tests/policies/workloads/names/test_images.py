"""Image references as runtimes read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.workloads import parse_image

D = "sha256:" + "0123456789abcdef" * 4
CASES = [
    ("nginx", "docker.io", "library/nginx", "latest", "", False),
    ("nginx:1.27", "docker.io", "library/nginx", "1.27", "", False),
    ("docker.io/nginx", "docker.io", "library/nginx", "latest", "", False),
    ("index.docker.io/library/nginx", "docker.io", "library/nginx", "latest", "", False),
    ("vllm/vllm-openai:v0.11.0", "docker.io", "vllm/vllm-openai", "v0.11.0", "", False),
    (f"vllm/vllm-openai@{D}", "docker.io", "vllm/vllm-openai", "", D, True),
    (f"ghcr.io/llm-d/llm-d:v1@{D}", "ghcr.io", "llm-d/llm-d", "v1", D, True),
    ("localhost/a", "localhost", "a", "latest", "", False),
    ("localhost:5000/a/b:c", "localhost:5000", "a/b", "c", "", False),
    ("registry.example.com:443/a", "registry.example.com:443", "a", "latest", "", False),
    ("[2001:db8::1]:5000/a", "[2001:db8::1]:5000", "a", "latest", "", False),
    ("Registry/a", "Registry", "a", "latest", "", False),
    ("nvcr.io/nim/meta/llama-3.1-8b-instruct:1.3.3", "nvcr.io", "nim/meta/llama-3.1-8b-instruct", "1.3.3", "", False),
    ("a/b__c/d-e.f", "docker.io", "a/b__c/d-e.f", "latest", "", False),
    (f"a@sha512:{'0' * 128}", "docker.io", "library/a", "", f"sha512:{'0' * 128}", False),
    (f"a@{D.upper()}", "", f"a@{D.upper()}", "", "", False),
    (f"a@{D[:-1]}", "docker.io", "library/a", "", D[:-1], False),
    (f"a@sha256:{'A' * 64}", "docker.io", "library/a", "", f"sha256:{'A' * 64}", False),
    (f"a@{D}@{D}", "", f"a@{D}@{D}", "", "", False),
    (
        "nvcr.io/nvidia/ai-dynamo/vllm-runtime:${VERSION}",
        "",
        "nvcr.io/nvidia/ai-dynamo/vllm-runtime:${VERSION}",
        "",
        "",
        False,
    ),
    ("{{ .Values.image }}", "", "{{ .Values.image }}", "", "", False),
    ("a b", "", "a b", "", "", False),
    ("a:b:c/d:e:f", "", "a:b:c/d:e:f", "", "", False),
    ("a:", "", "a:", "", "", False),
    ("a@", "", "a@", "", "", False),
    ("UPPER", "", "UPPER", "", "", False),
    ("", "", "", "", "", False),
]


@pytest.mark.parametrize(("reference", "registry", "repository", "tag", "digest", "pinned"), CASES)
def test_references(reference, registry, repository, tag, digest, pinned):
    """Each reference gives the registry, repository, tag and digest that a container runtime would use."""
    image = parse_image(reference, "spec.containers[0].image")
    assert image == {
        "path": "spec.containers[0].image",
        "reference": reference,
        "registry": registry,
        "repository": repository,
        "tag": tag,
        "digest": digest,
        "pinned": pinned,
    }


@given(st.text(alphabet="abA01./:@-_ []sh256", max_size=120))
def test_what_is_read_is_what_was_written(reference):
    """A reference that is read can be put together again from its parts; one that isn't read is never pinned."""
    image = parse_image(reference)
    if image["registry"]:
        name = image["repository"]
        assert name.removeprefix("library/") in reference
        assert image["digest"] in reference
    else:
        assert not image["pinned"]
        assert image["repository"] == reference


@pytest.mark.parametrize("text", ["a/" * 100_000, "a-" * 100_000, "a.b:" * 100_000, "@" * 100_000, "a" * 4096 + "!"])
def test_long_text(text):
    """Text longer than any reference is no reference, and is told so at once."""
    assert parse_image(text)["registry"] == ""
