"""Objects that nobody has seen before, as a benchmark needs them: nothing that remembers texts may help it.

What a deployer chooses is another text in each, of the same shape: models, commits, digests, tags, names, numbers,
hosts and paths. What is the same in all of a cluster stays: fields, the names of flags and variables, registries and
repositories of images, labels of nodes, resources.
"""

import random
import re
from collections.abc import Iterator
from typing import Any

import orjson

_CHOSEN = re.compile(
    r"meta-llama/[\w.-]+|llama-3\.1-70b|(?<=hf://)team/a\d|(?<=:\")(?:vllm|llama|metrics|hub|a\d)(?=\")"
    r"|[0-9a-f]{40,}|(?<=:)v[\d.]+(?=@)|(?<=exporter:)[\d.]+|(?<=[=:])[\d.]{4,}|(?<=\":\")\d+(?=Gi|m?\")"
    r"|(?<=//)collector\.observability|(?<=/models/)cache|health|(?<=\d/)metrics|(?<=Z\":\")[\d-]+"
)
_ALPHABETS = ("123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")  # hex digits stay such


def strangers(known: dict[str, Any], seed: int = 0) -> Iterator[dict[str, Any]]:
    """Objects as `known` is, each read from JSON of its own, without end; equal seeds give equal objects."""
    written, source = orjson.dumps(known).decode(), random.Random(seed)
    while True:
        yield orjson.loads(renewed(written, source))


def again(known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same object, each read from JSON anew: many pods of one template."""
    written = orjson.dumps(known)
    while True:
        yield orjson.loads(written)


def renewed(written: str, source: random.Random) -> str:
    """The text with all that a deployer chooses exchanged, letter by letter: what was equal is equal."""
    others = str.maketrans({
        letter: other
        for alphabet in _ALPHABETS
        for letter, other in zip(alphabet, source.sample(alphabet, len(alphabet)), strict=True)
    })  # fmt: skip
    return _CHOSEN.sub(lambda match: match[0].translate(others), written)
