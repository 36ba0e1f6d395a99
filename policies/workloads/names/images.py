"""Image references, read as container runtimes read them, and the places in a pod spec that hold one.

Guarantees: `parse_image` never raises; what can't be a reference has an empty registry and is never pinned. Pinned
means a whole SHA-256 digest; a tag beside it changes nothing. What a registry really serves is not looked at.
"""

import re
from collections.abc import Iterable
from typing import Any

from policies.json import Json, JsonObject
from policies.remembered import remembered

Image = dict[str, Any]  # path, reference, registry, repository, tag, digest, pinned

DEFAULT_REGISTRY = "docker.io"

_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_NAME = re.compile(f"(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 4096  # no runtime takes a longer reference; longer text isn't searched by pattern


def is_pinned(digest: str) -> bool:
    """Whether a digest names one content for ever: SHA-256, whole, lower case as OCI writes it."""
    return digest[:7] == "sha256:" and _SHA256.fullmatch(digest) is not None


def parse_image(reference: str, path: str = "") -> Image:
    """The parts of a reference with the runtimes' defaults filled in: `docker.io`, `library/`, tag `latest`."""
    registry, repository, tag, digest, pinned = _parts(reference)
    return {
        "path": path,
        "reference": reference,
        "registry": registry,
        "repository": repository,
        "tag": tag,
        "digest": digest,
        "pinned": pinned,
    }


def _parts(reference: str) -> tuple[str, str, str, str, bool]:
    """Registry, repository, tag, digest, pinned; an empty registry for what can't be a reference."""
    if len(reference) > _LONGEST:
        return "", reference, "", "", False
    whole, at, digest = reference.partition("@")
    head, slash, last = whole.rpartition("/")
    last, colon, tag = last.partition(":")
    name = head + slash + last
    found = _repository(name)
    pinned = is_pinned(digest)
    if found is None or (colon and not _TAG.fullmatch(tag)) or (at and not pinned and not _DIGEST.fullmatch(digest)):
        return "", reference, "", "", False
    return *found, tag if tag or digest else "latest", digest, pinned


@remembered(1024, longest=512)  # a cluster runs few images, of many versions
def _repository(name: str) -> tuple[str, str] | None:
    """Registry and repository of a name without tag and digest; None for what can't be one."""
    if _NAME.fullmatch(name) is None:
        return None
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        registry, repository = (DEFAULT_REGISTRY if first == "index.docker.io" else first), rest
    else:
        registry, repository = DEFAULT_REGISTRY, name
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = "library/" + repository
    return registry, repository


def containers_of(spec: JsonObject) -> list[tuple[str, JsonObject]]:
    """Every container of a pod spec, of all three lists, with its path below the spec."""
    found: list[tuple[str, JsonObject]] = []
    for field in ("containers", "initContainers", "ephemeralContainers"):
        if field in spec:
            for index, container in enumerate(listed(spec[field])):
                if isinstance(container, dict):
                    found.append((f"{field}[{index}]", container))
    return found


def images_of_spec(containers: Iterable[tuple[str, JsonObject]], spec: JsonObject, where: str) -> list[Image]:
    """Images of containers, each given with its path and dot, and image volumes. `where` is the spec's path, too."""
    found = [
        parse_image(image, f"{at}image")
        for at, container in containers
        if isinstance(image := container.get("image"), str) and image
    ]
    for index, volume in enumerate(listed(spec.get("volumes"))):
        source = volume.get("image") if isinstance(volume, dict) else None
        reference = source.get("reference") if isinstance(source, dict) else None
        if isinstance(reference, str) and reference:
            found.append(parse_image(reference, f"{where}volumes[{index}].image.reference"))
    return found


def listed(value: Json) -> list[Json]:
    """A list as it is; anything else has no elements."""
    return value if isinstance(value, list) else []
