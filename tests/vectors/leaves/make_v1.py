"""Wrote `v1.jsonl` while the leaf's table was at version 1: a leaf of each schema, byte for byte as stored.

Kept beside its result to say how it was made. Run against a later table it writes later leaves, so it isn't run again.
"""

import sys

from audit.leaves.counters import Counters
from audit.leaves.record import decision_record, event_record
from tests.audit.worlds import NOON, fields

COMMON: dict[str, object] = {"time": NOON, "cluster": "prod-7", "region": "eu-de", "engine": "0.1.0"}
EVENTS: dict[str, dict[str, object]] = {
    "genesis": {"origin": "audit.eu-de.example.org/prod-7", "log_key": "k+00000000+AA", "table": "0" * 64},
    "start": {"found": 3, "torn": 0, "clean": False},
    "heartbeat": {"refused": 0, "unsigned_s": 1},
    "config": {"what": "chart values", "now": "0" * 64, "before": "1" * 64, "tags": {"user": "2" * 32, "key": "k"}},
    "policy-load": {"outcome": "loaded", "policies": ["a", "b"], "count": 2, "policies_digest": "3" * 64},
    "key-rotation": {"purpose": "audit-checkpoint", "new_key": "k2", "old_key": "k1", "reason": "yearly"},
    "erasure": {"sealed": ["4" * 64], "basis": "GDPR 17(1)(b)", "approvals": 2},
    "stop": {"reason": "closed", "refused": 0},
}
records = [event_record(name, COMMON | more) for name, more in EVENTS.items()]
records.insert(2, decision_record(fields(4, waivers=["clinic/gpu"], digests={"request": "5" * 64})))
records.insert(3, decision_record(fields(5, images=[f"registry.example/{n}" for n in range(600)])))
sealed = {2: [("archive-key-1", bytes.fromhex("4" * 64), 345)]}
for _, leaf in Counters("bailiwick-0", "boot-1").number(records, sealed):
    sys.stdout.buffer.write(leaf + b"\n")
