"""C2SP tlog-tiles: paths of tiles and entry bundles, their bytes, and which of them a tree of some size has. Pure."""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from audit.errors import NoteMalformed, TileMalformed
from audit.tlog.merkle import HASH_SIZE, complete_root, leaf_hashes
from audit.tlog.proofs import Subtrees

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
ENTRIES = "entries"
_LENGTH = struct.Struct(">H")
_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])/"
    r"(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)

Tiles = Callable[[int, int, int], bytes]
"""`tiles(level, index, width)`: the bytes of a tile of that width."""


def tile_path(level: int | str, index: int, width: int = TILE_WIDTH) -> str:
    """`tile/<L>/<N>[.p/<W>]`; the level `entries` names an entry bundle."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def parse_tile_path(path: str) -> tuple[int | str, int, int]:
    """Level (or `entries`), index and width. Raises NoteMalformed for anything but a canonical path."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise NoteMalformed(f"`{path}` is no tile path")
    level: int | str = ENTRIES if match["level"] == ENTRIES else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = int(match["width"] or TILE_WIDTH)
    if width > TILE_WIDTH or tile_path(level, index, width) != path:
        raise NoteMalformed(f"`{path}` is no canonical tile path")
    return level, index, width


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """(level, index, width) of every tile of a tree, level 0 first. Its bundles are like its level 0."""
    level, count = 0, size
    while count:
        yield from ((level, index, TILE_WIDTH) for index in range(count // TILE_WIDTH))
        if count % TILE_WIDTH:
            yield level, count // TILE_WIDTH, count % TILE_WIDTH
        level, count = level + 1, count // TILE_WIDTH


def parse_tile(data: bytes, width: int) -> list[bytes]:
    """The hashes of a tile. Raises TileMalformed when it hasn't exactly `width` of them."""
    if len(data) != width * HASH_SIZE:
        raise TileMalformed(f"a tile of width {width} has {width * HASH_SIZE} bytes, got {len(data)}")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def bundle_bytes(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: every entry after its length as a big-endian uint16."""
    return b"".join(chain.from_iterable(zip(map(_LENGTH.pack, map(len, entries)), entries, strict=True)))


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle. Raises TileMalformed when it hasn't exactly `width` of them or is cut."""
    entries: list[bytes] = []
    at, end = 0, len(data)
    while at < end - 1:
        begin = at + 2
        at = begin + (data[begin - 2] << 8 | data[begin - 1])
        entries.append(data[begin:at])
    if at != end:
        raise TileMalformed(f"entry {len(entries)} of the bundle is cut short")
    if len(entries) != width:
        raise TileMalformed(f"a bundle of width {width} has {len(entries)} entries")
    return entries


def bundle_hashes(data: bytes, width: int) -> list[bytes]:
    """The leaf hashes of a bundle's entries. Raises TileMalformed as `parse_bundle` does."""
    return leaf_hashes(parse_bundle(data, width))


def subtrees_in(tiles: Tiles, size: int) -> Subtrees:
    """A reader of complete subtrees over the tiles of a tree of `size` leaves, for making proofs."""

    def read(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, first = divmod(index << height, TILE_WIDTH)
        count = (size >> (tile_level * TILE_HEIGHT)) - tile_index * TILE_WIDTH
        width = min(count, TILE_WIDTH)
        hashes = parse_tile(tiles(tile_level, tile_index, width), width)[first : first + (1 << height)]
        if len(hashes) != 1 << height:
            raise TileMalformed(f"level {level} has no complete subtree {index} in a tree of {size} leaves")
        return complete_root(hashes)

    return read
