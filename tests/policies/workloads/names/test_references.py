"""Model references: what they name, and when they name one content for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.workloads import parse_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:" + "0123456789abcdef" * 4
CASES = [
    ("Qwen/Qwen3-8B", "hf", "", "", False),
    ("gpt2", "hf", "", "", False),
    (f"Qwen/Qwen3-8B:{COMMIT}", "hf", COMMIT, "", True),
    (f"hf://Qwen/Qwen3-8B:{COMMIT}", "hf", COMMIT, "", True),
    (f"hf://Qwen/Qwen3-8B@{COMMIT}", "hf", COMMIT, "", True),
    ("hf://Qwen/Qwen3-8B:main", "hf", "main", "", False),
    ("hf://Qwen/Qwen3-8B", "hf", "", "", False),
    (f"hf://Qwen/Qwen3-8B:{COMMIT[:-1]}", "hf", COMMIT[:-1], "", False),
    (f"hf://Qwen/Qwen3-8B:{COMMIT.upper()}", "hf", COMMIT.upper(), "", False),
    (f"hf://Qwen/Qwen3-8B:main@{COMMIT}", "hf", f"main@{COMMIT}", "", False),
    (f"hf://Qwen/Qwen3-8B:{COMMIT}/../x", "hf", f"{COMMIT}/../x", "", False),
    ("huggingface://a/b", "hf", "", "", False),
    ("https://huggingface.co/a/b/resolve/main/x.gguf", "hf", "main", "", False),
    (f"https://huggingface.co/a/b/resolve/{COMMIT}/x.gguf", "hf", COMMIT, "", True),
    (f"https://huggingface.co.evil.example/a/b/resolve/{COMMIT}/x", "https", "", "", False),
    ("modelscope://qwen/Qwen3", "modelscope", "", "", False),
    (f"oci://ghcr.io/a/b@{DIGEST}", "oci", "", DIGEST, True),
    ("oci://ghcr.io/a/b:v1", "oci", "v1", "", False),
    ("oci://ghcr.io/a/b", "oci", "latest", "", False),
    ("oci://n/namespace/b/bucket/o/model", "oci-object", "", "", False),
    ("s3://bucket/model", "s3", "", "", False),
    ("s3://bucket/model?versionId=abc.1", "s3", "abc.1", "", True),
    ("s3://bucket/model?versionId=null", "s3", "null", "", False),
    ("gs://bucket/model#1712345678901234", "gs", "1712345678901234", "", True),
    ("gs://bucket/model", "gs", "", "", False),
    (f"https://models.example.com/a.gguf#sha256={DIGEST[7:]}", "https", "", DIGEST, True),
    (f"https://models.example.com/a.gguf#sha256={DIGEST[7:-1]}", "https", "", "", False),
    ("https://models.example.com/a.gguf", "https", "", "", False),
    ("pvc://models/llama", "pvc", "", "", False),
    ("pvc:///models/llama", "pvc", "", "", False),
    ("/models/llama", "file", "", "", False),
    ("./llama", "file", "", "", False),
    ("llama.gguf", "file", "", "", False),
    ("file:///models/llama", "file", "", "", False),
    (f"git://github.com/a/b@{COMMIT}", "git", COMMIT, "", True),
    ("ollama://llama3:8b", "ollama", "", "", False),
    ("ngc://nim/meta/llama:1.0", "ngc", "", "", False),
    ("gopher://a/b", "gopher", "", "", False),
    ("a/b/c", "unknown", "", "", False),
    ("https://[broken", "unknown", "", "", False),
    ("", "unknown", "", "", False),
]


@pytest.mark.parametrize(("text", "scheme", "revision", "digest", "pinned"), CASES)
def test_references(text, scheme, revision, digest, pinned):
    """Each text gives its scheme, revision and digest; a branch, a tag, a path or half a hash pins nothing."""
    model = parse_model(text, "p")
    assert model == {
        "path": "p",
        "reference": text,
        "scheme": scheme,
        "revision": revision,
        "digest": digest,
        "pinned": pinned,
    }


def test_a_revision_beside_the_reference():
    """A revision that stands beside a reference pins it; one inside the reference wins."""
    assert parse_model("a/b", "", COMMIT)["pinned"]
    assert not parse_model("hf://a/b:main", "", COMMIT)["pinned"]
    assert not parse_model("/models/a", "", COMMIT)["pinned"]
    assert not parse_model("pvc://a/b", "", COMMIT)["pinned"]


@given(st.text(max_size=80), st.text(max_size=45), st.sampled_from(["", "hf", "oci", "s3", "preset", "x"]))
def test_any_text(text, revision, scheme):
    """Any text is some reference, and is pinned only by a commit, a version or a digest that it shows."""
    model = parse_model(text, "", revision, scheme=scheme)
    if model["pinned"]:
        assert model["revision"] or model["digest"]
