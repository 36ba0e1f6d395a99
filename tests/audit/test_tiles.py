"""Tiles: paths, framing, and a whole third-party log with all its checkpoints."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checks.verify import verify_log
from audit.errors import NoteMalformed, TileMalformed
from audit.tlog import (
    VerifierKey,
    bundle_bytes,
    inclusion_proof,
    leaf_hash,
    parse_bundle,
    parse_tile,
    parse_tile_path,
    root_hash,
    subtrees_in,
    tile_path,
    tiles_of,
    verified_checkpoint,
    verify_inclusion,
)
from audit.tlog.merkle import complete_root
from tests.audit.worlds import CORPORA

TESSERA = CORPORA / "tlog-tiles"
TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
here = pytest.mark.skipif(not TESSERA.is_dir(), reason="the third-party log (../shared/corpora/tlog-tiles) is not here")


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ((0, 0, 256), "tile/0/000"),
        ((0, 1234067, 256), "tile/0/x001/x234/067"),
        ((63, 999, 1), "tile/63/999.p/1"),
        (("entries", 1000, 255), "tile/entries/x001/000.p/255"),
    ],
)
def test_tile_paths(place: tuple[int | str, int, int], path: str) -> None:
    """Paths are those of the specification's examples, both ways."""
    assert tile_path(*place) == path
    assert parse_tile_path(path) == place


@pytest.mark.parametrize(
    "path",
    ["tile/0", "tile/64/000", "tile/00/000", "tile/0/00", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256",
     "tile/0/000.p/01", "tile/data/000", "tile/0/x001", "/tile/0/000", "tile/0/000.p/299"],
)  # fmt: skip
def test_paths_that_are_none(path: str) -> None:
    """Only canonical paths are paths."""
    with pytest.raises(NoteMalformed):
        parse_tile_path(path)


def test_tiles_of_the_specifications_example() -> None:
    """A tree of 70,000 has the tiles that the specification lists."""
    tiles = list(tiles_of(70_000))
    assert [(level, width) for level, _, width in tiles if width < 256] == [(0, 112), (1, 17), (2, 1)]
    assert sum(level == 0 and width == 256 for level, _, width in tiles) == 273
    assert list(tiles_of(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    """A bundle gives its entries back, and is refused when it is cut, or has another width."""
    data = bundle_bytes(entries)
    assert parse_bundle(data, len(entries)) == entries
    with pytest.raises(TileMalformed):
        parse_bundle(data, len(entries) + 1)
    with pytest.raises(TileMalformed):
        parse_bundle(data + b"\x00", len(entries))
    if entries:
        with pytest.raises(TileMalformed):
            parse_bundle(data[:-1], len(entries))


@given(st.integers(1, 70_000), st.data())
def test_proofs_from_tiles(size: int, data: st.DataObject) -> None:
    """Proofs made from tiles alone verify against the root, at any size and index."""
    index = data.draw(st.integers(0, size - 1))
    leaf = leaf_hash(b"same")  # every leaf alike: each tile of a level is then the same, and made once
    full = [[leaf] * 256]
    for _ in range(3):
        full.append([complete_root(full[-1])] * 256)

    def tile(level: int, _number: int, width: int) -> bytes:
        return b"".join(full[level][:width])

    nodes, below = size, None
    for level in range(3):
        row = full[level][: nodes % 256] + ([below] if below else [])
        below = root_hash(row) if row else None
        nodes //= 256
    assert below is not None
    verify_inclusion(index, size, leaf, inclusion_proof(index, size, subtrees_in(tile, size)), below)


@here
def test_third_party_checkpoints() -> None:
    """Tessera's sixteen checkpoints verify, and each root is that of the bundle's first entries."""
    key = VerifierKey.parse(TESSERA_KEY)
    seen = set()
    for path in sorted(TESSERA.rglob("checkpoint*")):
        checkpoint, _ = verified_checkpoint(path.read_bytes(), [key])
        entries: list[bytes] = []
        if checkpoint.size:
            bundle = TESSERA / tile_path("entries", 0, checkpoint.size)
            entries = parse_bundle(bundle.read_bytes(), checkpoint.size)
            tile = (TESSERA / tile_path(0, 0, checkpoint.size)).read_bytes()
            assert parse_tile(tile, checkpoint.size) == [leaf_hash(entry) for entry in entries]
        assert root_hash([leaf_hash(entry) for entry in entries]) == checkpoint.root, base64.b64encode(checkpoint.root)
        seen.add(checkpoint.size)
    assert len(seen) >= 15


@here
def test_a_third_party_log_verifies_as_a_whole() -> None:
    """A log that Tessera wrote is read and verified from its tiles and bundles alone."""
    report = verify_log(TESSERA, [VerifierKey.parse(TESSERA_KEY)], foreign=True)
    assert [str(problem) for problem in report.problems] == []
    assert report.checkpoint is not None
    assert report.records == report.checkpoint.size > 0
