"""Where programs for backups and copies lead by names of their own: restic's repositories, rclone's remotes.

Guarantees: never raises; a folder of the container is no destination. A remote that is set up where nobody here can see
is `$(RCLONE_CONFIG)`, and leads wherever the ClusterProfile says of that name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from policies.json import Json
from policies.workloads.commands.arguments import Word
from policies.workloads.reach.addresses import Destination, destination

_REMOTE = re.compile(r"(?P<name>:?[A-Za-z_][\w.+@-]*)(?P<said>(?:,[^:]*)?):(?!//)(?P<rest>.*)", re.DOTALL)
_LOCAL = ("local", "memory")
_AROUND = ("alias", "crypt", "union", "cache", "chunker", "compress", "combine", "hasher")  # made of other remotes
_REPOSITORIES = ("-r", "--repo", "--from-repo", "--repo2")
_STORES = {"AWS": "aws", "": "aws", "Alibaba": "alibaba", "GCS": "gcp"}
_ADDRESSES = ("--rc-addr", "--addr", "--metrics-addr", "--rc-web-fetch-url")


def repository(text: str, path: str, what: str) -> Iterator[Destination]:
    """Where a repository of restic's is: `s3:host/bucket`, `rest:https://host/`, `sftp:host:/path`, `gs:bucket:/`."""
    backend, _, rest = text.partition(":")
    if not rest or "://" in text[: len(backend) + 3]:
        backend, rest = "", text
    if backend in ("gs", "azure"):
        yield destination(path, kind="bucket", bucket=f"{backend}://{rest.partition(':')[0]}", what=what)
    elif backend in ("", "s3", "rest", "sftp"):
        if rest:
            yield destination(path, kind="host", host=rest, what=what)
    elif backend == "rclone":
        yield destination(path, kind="host", host="$(RCLONE_CONFIG)", what=what)
    else:
        yield destination(path, kind="vendor", provider=backend, what=what)


def repository_of_words(words: Sequence[Word], index: int) -> Iterator[Destination]:
    """The repository that the word at `index` of a line of restic's names by its flag."""
    text, path = words[index]
    name, _, value = text.partition("=")
    if name not in _REPOSITORIES or not value:
        value = text if index and words[index - 1][0] in _REPOSITORIES else ""
    if is_elsewhere(value):
        yield from repository(value, path, "backups")


def is_elsewhere(text: str) -> bool:
    """Whether a repository is none in a folder."""
    return ":" in text and text[:1] not in ("/", ".", "~")


def remote_of_words(words: Sequence[Word], index: int) -> Iterator[Destination]:
    """The remote that the word at `index` of a line of rclone's names: `:s3,region=us-east-1:bucket`, `offsite:x`."""
    text, path = words[index]
    before = words[index - 1][0] if index else ""
    match = _REMOTE.fullmatch(text)
    if match is None or before in _ADDRESSES:
        return
    if match["name"][:1] != ":":
        yield destination(path, kind="host", host="$(RCLONE_CONFIG)", what="data")
        return
    pairs = (one.partition("=") for one in match["said"].split(",") if one)
    said = {name.strip().lower(): value.strip("\"'") for name, _, value in pairs}
    yield from _remote(match["name"][1:], said, match["rest"], path)


def told_remotes(told: Mapping[str, Json]) -> Iterator[tuple[str, Destination]]:
    """The variable, and where the remote is that those beside it set up: `RCLONE_CONFIG_X_TYPE`."""
    for name, value in told.items():
        if name.startswith("RCLONE_CONFIG_") and name.endswith("_TYPE") and isinstance(value, str):
            begin = name.removesuffix("TYPE")
            said = {
                key.removeprefix(begin).lower(): text
                for key, text in told.items()
                if key.startswith(begin) and isinstance(text, str)
            }
            if not any(said.get(one) for one in ("endpoint", "url", "host")):  # judged as the variables that they are
                for one in _remote(value, said, "", ""):
                    yield name, one


def _remote(type_: str, said: Mapping[str, str], rest: str, path: str) -> Iterator[Destination]:
    host = said.get("endpoint") or said.get("url") or said.get("host") or ""
    if type_ in _LOCAL:
        return
    if type_ in _AROUND:
        if ":" in said.get("remote", "") + said.get("upstreams", ""):
            yield destination(path, kind="host", host="$(RCLONE_CONFIG)", what="data")
        return
    if host:
        yield destination(path, kind="host", host=host, what="data")
    elif type_ == "s3":
        provider, region = _STORES.get(said.get("provider", ""), said.get("provider", "")), said.get("region", "")
        bucket = rest.lstrip("/").partition("/")[0]
        yield destination(path, kind="bucket", bucket=bucket, provider=provider, region=region, what="data")
    else:
        yield destination(path, kind="vendor", provider=type_, what="data")
