"""Buckets and regions that a container is told of by name: `S3_BUCKET` and `--s3-region`, without an address.

Guarantees: a bucket without an endpoint lies where its provider's region says that is told beside it, by the longest
beginning that the names of both variables share; without one nobody knows where it lies. An endpoint among the
variables is judged as the host that it is, and then the bucket is there. A region that is told alone is where a cloud's
client sends to, unless a store has an endpoint of its own. What is no region of a cloud by its form is none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from policies.json import Json
from policies.workloads.catalogue.rows import as_text
from policies.workloads.commands.arguments import END, Word

_BUCKET = re.compile(r"(?P<before>(?:.*_)?)BUCKET(?:_?NAME|_?ID)?", re.IGNORECASE)
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]|.*\$\(.*")  # or not filled in here
_ENDPOINTS = ("ENDPOINT", "ENDPOINT_URL")
_REGIONS = ("REGION", "REGION_NAME", "DEFAULT_REGION", "LOCATION")
_ANY_ENDPOINT = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "S3_ENDPOINT",
    "S3_ENDPOINT_URL",
    "MINIO_ENDPOINT",
    "MINIO_URL",
)
_ANY_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION", "S3_REGION")
_MARKS = ("ucket", "egion", "EGION", "account")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=([\w.:/-]+)")
_REGION = re.compile(r"(?:.*[_.-])?(?:REGION|LOCATION)", re.IGNORECASE)
_STORE = re.compile(
    r"(?=.*(?:ENDPOINT|URL|HOST|SERVER|ADDR))(?!.*(?:OTEL|OTLP)|AWS_ENDPOINT_URL_(?!S3))(?=.*(?:S3|AWS|MINIO|STORAGE|STORE|BUCKET|OBJECT)|ENDPOINT).*"
)
_CLOUDS = (
    (re.compile(r"(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov|-iso[a-z]?)?-(?:[a-z]+)-[1-9]"), "aws"),
    (re.compile(r"(?:africa|asia|australia|europe|me|northamerica|southamerica|us)-[a-z]+[1-9][0-9]?"), "gcp"),
)
_PROVIDERS = (
    ("GCS", "gcp"),
    ("GCP", "gcp"),
    ("GOOGLE", "gcp"),
    ("AZURE", "azure"),
    ("OSS_", "alibaba"),
    ("COS_", "tencent"),
)


def told_buckets(told: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, str]]]:
    """The variable, and the bucket, provider and region that it and those beside it say."""
    for name, value in told.items():
        match = _BUCKET.fullmatch(name)
        if match is None or (isinstance(value, str) and _NAME.fullmatch(value) is None):
            continue
        provider = next((of for part, of in _PROVIDERS if part in name.upper()), "aws")
        beginnings = list(_beginnings(match["before"]))
        if _first(told, beginnings, _ENDPOINTS, _ANY_ENDPOINT) is not None:
            continue
        region = _first(told, beginnings, _REGIONS, _ANY_REGION if provider == "aws" else ())
        said = region if isinstance(region, str) else ""
        if isinstance(value, str) or said:
            bucket = value if isinstance(value, str) else ""
            yield name, {"kind": "bucket", "bucket": bucket, "provider": provider, "region": said}


def told_regions(told: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, str]]]:
    """The variable, and the region of a cloud that it says, where no store beside it has an endpoint of its own."""
    found = {
        name: cloud
        for name, value in told.items()
        if isinstance(value, str) and _REGION.fullmatch(name) and (cloud := cloud_of(value))
    }
    if found and not any(value and _STORE.fullmatch(name.upper()) for name, value in told.items()):
        for name, cloud in found.items():
            yield name, {"kind": "region", "provider": cloud, "region": as_text(told[name])}


def may_store(text: str) -> bool:
    """Whether a command line, or a word of it, may name a bucket, a region or an account of a store."""
    return any(mark in text for mark in _MARKS)


def cloud_of(region: str) -> str:
    """Whose region a text is by its form; empty for any other text."""
    return next((cloud for pattern, cloud in _CLOUDS if pattern.fullmatch(region)), "")


def commands_of(words: Sequence[Word]) -> Iterator[list[Word]]:
    """The commands of a line, each with its words: flags of one say nothing of another."""
    command: list[Word] = []
    for word in words:
        if word[0] == END:
            yield command
            command = []
        else:
            command.append(word)
    yield command


def flags_of(words: Sequence[Word]) -> dict[str, Word]:
    """The values of flags and variables of a line and where they stand, by the names that variables would have."""
    found: dict[str, Word] = {}
    for index, (text, path) in enumerate(words):
        if text[:1] == "-":
            name, given, value = text.partition("=")
            said = (value, path) if given or index + 1 == len(words) else words[index + 1]
            if said[0] and said[0][:1] != "-" and said[0] != END:
                found[name.lstrip("-").replace("-", "_").replace(".", "_").upper()] = said
        elif "=" in text and (match := _ASSIGNED.fullmatch(text)):
            found[match[1].upper()] = match[2], path
    return found


def _beginnings(before: str) -> Iterator[str]:
    """`A_B_`, `A_`, and none: of names that share most first."""
    while before:
        yield before
        before = before[: before.rstrip("_").rfind("_") + 1]
    yield ""


def _first(told: Mapping[str, Json], beginnings: list[str], ends: tuple[str, ...], more: tuple[str, ...]) -> Json:
    """What the first of these variables says that is there; empty text says nothing, and what isn't seen is ''."""
    for name in (*(f"{beginning}{end}" for beginning in beginnings for end in ends), *more):
        if name in told and told[name] != "":
            return told[name] or ""
    return None
