"""Our CEL against the API server's on expressions that nobody wrote: 2,000 new ones in every run, for each version.

`BAILIWICK_CEL_FUZZ=<n>` makes n cases, as many as a night has room for; `BAILIWICK_CEL_SEED=<seed>` repeats a run.
"""

from __future__ import annotations

import os

import pytest

from tests.policies.cel.oracle.campaign import Campaign, new_seed
from tests.policies.cel.oracle.peer import Peer

CASES = int(os.environ.get("BAILIWICK_CEL_FUZZ") or 2000)
SHOWN = 20  # disagreements; more of them are rarely more causes


def agrees(peer: Peer, version: str) -> None:
    seed = int(os.environ.get("BAILIWICK_CEL_SEED") or new_seed())
    campaign = Campaign(peer, seed, version)
    found = []
    for disagreement in campaign.run(CASES):
        found.append(str(disagreement))
        if len(found) == SHOWN:
            break
    print(f"seed {seed}: {dict(campaign.outcomes)}")
    assert not found, f"seed {seed}, {CASES} cases, {len(found)} or more differ:\n\n" + "\n\n".join(found)
    assert campaign.outcomes["value"] > CASES / 5, f"seed {seed}: too few cases have a value: {campaign.outcomes}"
    assert campaign.outcomes["died"] <= 3 + CASES / 1000, f"seed {seed}: the oracle dies often: {campaign.outcomes}"


def test_random_expressions_agree(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """Random expressions over random objects have the API server's verdict, value, type and cost."""
    with capsys.disabled():
        agrees(peer, "1.36")


def test_random_expressions_agree_with_an_older_server(older_peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    """The same against the API server of 1.34, with the libraries of its time."""
    with capsys.disabled():
        agrees(older_peer, "1.34")
