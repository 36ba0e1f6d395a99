"""Our CEL against the API server's on expressions that nobody wrote.

`BAILIWICK_CEL_FUZZ=<n>` makes n cases; `BAILIWICK_CEL_SEED=<seed>` repeats a run. Without the first it is not run:
about one random expression in a hundred still differs, most of them in cost alone.
"""

from __future__ import annotations

import os

import pytest

from tests.policies.cel.oracle.campaign import Campaign, new_seed
from tests.policies.cel.oracle.peer import Peer

CASES = int(os.environ.get("BAILIWICK_CEL_FUZZ", "0"))
SHOWN = 20  # disagreements; more of them are rarely more causes


@pytest.mark.skipif(not CASES, reason="set BAILIWICK_CEL_FUZZ to a number of random expressions")
def test_random_expressions_agree(peer: Peer) -> None:
    """Random expressions over random objects have the API server's verdict, value, type and cost."""
    seed = int(os.environ.get("BAILIWICK_CEL_SEED") or new_seed())
    campaign = Campaign(peer, seed)
    found = []
    for disagreement in campaign.run(CASES):
        found.append(str(disagreement))
        if len(found) == SHOWN:
            break
    print(f"seed {seed}: {dict(campaign.outcomes)}")
    assert not found, f"seed {seed}, {CASES} cases, {len(found)} or more differ:\n\n" + "\n\n".join(found)
    assert campaign.outcomes["value"] > CASES / 5, f"seed {seed}: too few cases have a value: {campaign.outcomes}"
    assert campaign.outcomes["died"] <= 1 + CASES / 1000, f"seed {seed}: the oracle dies often: {campaign.outcomes}"
