"""Model references: what a piece of text names, and whether it names one content for ever.

Guarantees: never raises. Pinned means an OCI digest, a 40-hex revision of a repository, or an object version or digest
of a store; a branch, a tag, a path or a bare name isn't. Whether the bytes are there is not looked at.
"""

import re
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from policies.workloads.catalogue.tables import table
from policies.workloads.names.images import is_pinned, parse_image

Model = dict[str, Any]  # path, reference, scheme, revision, digest, pinned

_COMMIT_LENGTH = 40
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HEX256 = re.compile(r"[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_.][\w.-]*", re.ASCII)
_BARE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://")
_HUB_HOSTS = {"huggingface.co": "hf", "www.huggingface.co": "hf", "hf.co": "hf", "modelscope.cn": "modelscope"}
_LONGEST = 4096


def parse_model(text: str, path: str = "", revision: str = "", *, scheme: str = "") -> Model:
    """What `text` names. `revision` is what stands beside it; one written inside the text wins.

    `scheme` is what a text without one of its own means here; without it a bare `owner/name` is Hugging Face's.
    """
    written = scheme_of(text)
    if not written:
        return _plain(text, path, revision, scheme)
    known = str(_schemes().get(written, written))
    rest = text[len(written) + len("://") :]
    if known in ("hf", "modelscope"):
        name, inner = _split_revision(rest)
        return _model(path, text, known, inner or revision, pinnable=bool(name))
    if known == "oci":
        if rest.startswith("n/") and "/b/" in rest:  # oci://n/<namespace>/b/<bucket>: Oracle's object storage
            return _stored(text, path, "oci-object", revision)
        return _image(text, rest, path)
    if known == "https":
        return _address(text, path, revision)
    if known in ("pvc", "file", "ollama", "ngc", "vendor"):
        return _model(path, text, known, revision, pinnable=False)
    if known == "git":
        name, inner = _split_revision(rest)
        return _model(path, text, known, inner or revision, pinnable=bool(name))
    return _stored(text, path, known, revision)


def image_model(reference: str, path: str) -> Model:
    """A model that is an image: an image volume, a ModelKit, a modelcar."""
    return _image(reference, reference, path)


def looks_like_reference(text: str) -> bool:
    """Whether text that may mean anything reads like a model: a URI, `owner/name`, or a weights file."""
    if scheme_of(text):
        return True
    return bool(_REPOSITORY.fullmatch(text[:200])) or is_path(text) or is_weights(text)


def is_commit(revision: str) -> bool:
    """Whether a revision is a whole Git commit: forty hex digits, lower case as Git and the hubs write it."""
    return len(revision) == _COMMIT_LENGTH and _COMMIT.fullmatch(revision) is not None


def is_path(text: str) -> bool:
    return text.startswith(("/", "./", "../", "~/"))


def is_weights(text: str) -> bool:
    return text[-16:].lower().endswith(_weights())


def scheme_of(text: str) -> str:
    """The scheme as it is written, in lower case; empty when there is none."""
    match = _SCHEME.match(text[:64]) if "://" in text else None
    return match[1].lower() if match else ""


@cache
def _weights() -> tuple[str, ...]:
    return tuple(table("models")["weights"])


@cache
def _schemes() -> Any:
    return table("models")["schemes"]


def _plain(text: str, path: str, revision: str, scheme: str) -> Model:
    if is_path(text) or (is_weights(text) and not _REPOSITORY.fullmatch(text[:200])):
        return _model(path, text, "file", revision, pinnable=False)
    if scheme == "oci":
        return _image(text, text, path)
    if scheme == "preset" and _REPOSITORY.fullmatch(text[:200]):
        scheme = "hf"  # a preset is a name of the operator's, or a repository of the hub
    if scheme and scheme not in ("hf", "modelscope", "git"):
        return _model(path, text, scheme, revision, pinnable=False)
    name, inner = _split_revision(text)
    if len(text) <= _LONGEST and (_REPOSITORY.fullmatch(name) or _BARE.fullmatch(name)):
        return _model(path, text, scheme or "hf", inner or revision, pinnable=True)
    if "@sha256:" in text:
        return _image(text, text, path)
    return _model(path, text, "unknown", revision, pinnable=False)


def _split_revision(text: str) -> tuple[str, str]:
    """`owner/name:revision` (KServe) and `owner/name@revision` (Dynamo, OME), with or without a file behind it."""
    for mark in ("@", ":"):
        if mark in text:
            name, _, revision = text.partition(mark)
            # with both marks tools disagree on what is the revision: then it's no commit to anybody
            return name, revision if ":" not in name else f"{name.partition(':')[2]}@{revision}"
    return text, ""


def _image(text: str, reference: str, path: str) -> Model:
    image = parse_image(reference)
    tag = "" if image["digest"] else image["tag"]
    found = _model(path, text, "oci", tag, image["digest"], pinnable=False)
    found["pinned"] = image["pinned"]
    return found


def _address(text: str, path: str, revision: str) -> Model:
    try:
        url = urlsplit(text[:_LONGEST])
        host = url.hostname or ""
    except ValueError:
        return _model(path, text, "unknown", revision, pinnable=False)
    if host in _HUB_HOSTS:
        inner = re.search(r"/(?:resolve|blob|tree|raw)/([^/?#]+)", url.path)
        return _model(path, text, _HUB_HOSTS[host], inner[1] if inner else revision, pinnable=True)
    return _stored(text, path, "https", revision)


def _stored(text: str, path: str, scheme: str, revision: str) -> Model:
    """An object of a store: pinned by a version id or a digest that is part of the reference."""
    digest, version = "", ""
    try:
        url = urlsplit(text[:_LONGEST])
        said = parse_qs(url.query)
        marks = [url.fragment, *(f"{key}={value}" for key, values in said.items() for value in values)]
    except ValueError:
        said, marks = {}, []
    for mark in marks:
        kind, _, value = mark.replace(":", "=").partition("=")
        if kind.lower() in ("sha256", "digest", "checksum"):
            value = value.removeprefix("sha256=")
            digest = f"sha256:{value}" if _HEX256.fullmatch(value) else digest
    for key in ("versionId", "versionid", "generation"):
        version = next(iter(said.get(key, ())), version)
    if scheme == "gs" and "#" in text and text.rpartition("#")[2].isdigit():
        version = text.rpartition("#")[2]
    found = _model(path, text, scheme, version or revision, digest, pinnable=False)
    found["pinned"] = is_pinned(digest) or version not in ("", "null")
    return found


def _model(path: str, reference: str, scheme: str, revision: str = "", digest: str = "", *, pinnable: bool) -> Model:
    return {
        "path": path,
        "reference": reference,
        "scheme": scheme,
        "revision": revision,
        "digest": digest,
        "pinned": pinnable and is_commit(revision),
    }
