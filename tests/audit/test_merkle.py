"""RFC 6962 hashing and proofs, against third-party vectors and as properties."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ProofInvalid
from audit.tlog import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    subtrees_of,
    verify_consistency,
    verify_extension,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)
from tests.audit.worlds import CORPORA

VECTORS = CORPORA / "merkle"


def _vectors(kind: str) -> list[Path]:
    return sorted((VECTORS / kind).rglob("*.json"))


def _read(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    vector = json.loads(path.read_text())
    for name in ("root", "root1", "root2", "leafHash"):
        vector[name] = base64.b64decode(vector.get(name) or "")
    return vector, [base64.b64decode(value) for value in vector["proof"] or []]


def _check(kind: str, vector: dict[str, Any], proof: list[bytes]) -> None:
    if kind == "inclusion":
        verify_inclusion(vector["leafIdx"], vector["treeSize"], vector["leafHash"], proof, vector["root"])
    elif kind == "consistency":
        verify_consistency(vector["size1"], vector["size2"], proof, vector["root1"], vector["root2"])
    elif kind == "subtreeinclusion":
        place = (vector["leafIdx"], vector["start"], vector["end"])
        verify_subtree_inclusion(*place, vector["leafHash"], proof, vector["root"])
    else:
        place = (vector["start"], vector["end"], vector["size"])
        verify_subtree_consistency(*place, proof, vector["root1"], vector["root2"])


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the third-party vectors (../shared/corpora/merkle) are not here")
@pytest.mark.parametrize("kind", ["inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"])
def test_third_party_vectors(kind: str) -> None:
    """Every proof of transparency-dev/merkle is accepted or refused as its authors say."""
    paths = _vectors(kind)
    assert len(paths) > 50
    for path in paths:
        vector, proof = _read(path)
        try:
            _check(kind, vector, proof)
            refused = False
        except ProofInvalid:
            refused = True
        assert refused == vector["wantErr"], path


def _slow_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(_slow_root(leaves[:split]), _slow_root(leaves[split:]))


def _leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


@given(st.integers(0, 300))
def test_root_is_the_definition(size: int) -> None:
    """The growing root equals the recursive definition at any size."""
    assert root_hash(_leaves(size)) == _slow_root(_leaves(size))


def test_known_roots() -> None:
    """The empty tree and the first entry have the hashes of the RFC's own examples."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(st.integers(0, 6), st.integers(0, 9), st.integers(0, 9))
def test_frontier_takes_subtrees(height: int, before: int, after: int) -> None:
    """A complete subtree may be added by its root, and a frontier may be rebuilt from its peaks."""
    width = 1 << height
    begin = before * width
    leaves = _leaves(begin + width + after)
    frontier = Frontier()
    for leaf in leaves[:begin]:
        frontier.append(leaf)
    frontier = Frontier(frontier.size, frontier.peaks())
    frontier.append_subtree(_slow_root(leaves[begin : begin + width]), height)
    for leaf in leaves[begin + width :]:
        frontier.append(leaf)
    assert (frontier.size, frontier.root()) == (len(leaves), root_hash(leaves))


def test_frontier_refuses_what_does_not_fit() -> None:
    """Peaks that don't fit a size, and a subtree at the wrong place, are refused."""
    with pytest.raises(ValueError, match="2 peaks"):
        Frontier(3, [b"x"])
    with pytest.raises(ValueError, match="does not begin"):
        Frontier(1, [b"x" * 32]).append_subtree(b"y" * 32, 1)


@given(st.data(), st.integers(1, 300))
def test_inclusion_holds_and_breaks(data: st.DataObject, size: int) -> None:
    """Every leaf's proof verifies; any other leaf, index, size, root, or a changed, missing or added hash doesn't."""
    leaves = _leaves(size)
    index = data.draw(st.integers(0, size - 1))
    root, proof = root_hash(leaves), list(inclusion_proof(index, size, subtrees_of(leaves)))
    verify_inclusion(index, size, leaves[index], proof, root)
    wrong = leaf_hash(b"another")
    broken = [(index, size, wrong, proof, root), (index, size, leaves[index], proof, wrong)]
    broken += [(index, size, leaves[index], [*proof, wrong], root), (size, size, leaves[index], proof, root)]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        broken += [(index, size, leaves[index], [*proof[:at], wrong, *proof[at + 1 :]], root)]
        broken += [(index, size, leaves[index], proof[:-1], root), (index ^ 1, size, leaves[index], proof, root)]
        broken += [(index, size, leaves[index], [*proof[:at], b"short", *proof[at + 1 :]], root)]
    for arguments in broken:
        with pytest.raises(ProofInvalid):
            verify_inclusion(*arguments)


@given(st.data(), st.integers(1, 300))
def test_consistency_holds_and_breaks(data: st.DataObject, size: int) -> None:
    """Every prefix proves its consistency; another root, size, or a changed, missing or added hash breaks it."""
    leaves = _leaves(size)
    old = data.draw(st.integers(1, size))
    proof = list(consistency_proof(old, size, subtrees_of(leaves)))
    old_root, root, wrong = root_hash(leaves[:old]), root_hash(leaves), leaf_hash(b"another")
    verify_consistency(old, size, proof, old_root, root)
    verify_extension(old, size, proof, old_root, root)
    broken = [(old, size, proof, wrong, root), (old, size, proof, old_root, wrong)]
    broken += [(old, size, [*proof, wrong], old_root, root), (size + 1, size, proof, old_root, root)]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        broken += [(old, size, [*proof[:at], wrong, *proof[at + 1 :]], old_root, root)]
        broken += [(old, size, proof[:-1], old_root, root), (old - 1, size, proof, old_root, root)]
    for arguments in broken:
        with pytest.raises(ProofInvalid):
            verify_consistency(*arguments)
        if arguments[0]:
            with pytest.raises(ProofInvalid):
                verify_extension(*arguments)


def test_the_empty_tree_extends_to_any() -> None:
    """A witness accepts any tree after an empty one, with an empty proof only; elsewhere that shows nothing."""
    root = root_hash(_leaves(3))
    verify_extension(0, 3, [], EMPTY_ROOT, root)
    with pytest.raises(ProofInvalid):
        verify_extension(0, 3, [root], EMPTY_ROOT, root)
    with pytest.raises(ProofInvalid):
        verify_extension(0, 3, [], root, root)
    with pytest.raises(ProofInvalid):
        verify_consistency(0, 3, [], EMPTY_ROOT, root)
    assert consistency_proof(0, 3, subtrees_of(_leaves(3))) == ()


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    """There is no proof of a leaf that a tree hasn't, nor of a larger tree in a smaller one."""
    with pytest.raises(ProofInvalid):
        inclusion_proof(index, size, subtrees_of(_leaves(size)))
    with pytest.raises(ProofInvalid):
        consistency_proof(size + 1, size, subtrees_of(_leaves(size)))
