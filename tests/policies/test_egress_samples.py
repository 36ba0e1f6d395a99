"""How many of other people's manifests are refused for where they send data, and whether each had to be."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policies.checking import check, creation
from policies.gathering import parsed
from policies.kinds import SovereigntyPolicy
from policies.loading import engine_for, rulebook_of
from policies.manifests import Document, read_documents
from policies.packs import builtin
from policies.snapshot import MemorySnapshot

SAMPLES = Path(__file__).parents[3] / "shared" / "corpora" / "workload-samples"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
JUDGED = ("egress", "shared-data", "shared-backups", "shared-members")
DEFAULTS = {"dataClass": "confidential", "jurisdiction": "eu"}
PROVIDERS = [{"name": "aws", "regions": ["eu-central-1"]}]
RULES = (
    ("Jurisdiction", {"locatedIn": {"sets": ["EU"]}}),
    ("ClusterProfile", {"cluster": "c", "providers": PROVIDERS, "defaults": DEFAULTS}),
)
# by another reading than the product's: hosts that only the cluster can mean
WITHIN = re.compile(
    r"(?:[a-z]+://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0|[a-z0-9.-]+\.svc(?:\.cluster\.local)?|[a-z][a-z0-9-]*)(?::\d+)?(?:/.*)?"
)
NAMED = re.compile(r"`([^`]+)`")
pytestmark = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the corpus of workload samples is not beside the checkout"
)


def documents() -> Iterator[Document]:
    for path in sorted(SAMPLES.rglob("*")):
        if path.is_file() and path.name != "SOURCES.md":
            found = read_documents(path.read_text(errors="replace"), str(path.relative_to(SAMPLES)))
            yield from (one for one in found if isinstance(one, Document) and isinstance(one.value, dict))


def engine() -> Any:
    rules = [
        {"apiVersion": "bailiwick.dev/v1alpha1", "kind": kind, "metadata": {"name": "eu"}, "spec": spec}
        for kind, spec in RULES
    ]
    packs = [one for one in builtin() if not isinstance(one, SovereigntyPolicy) or one.metadata.name in JUDGED]
    return engine_for(rulebook_of(packs, parsed(rules).kinds), "test")


def test_samples_that_stay_in_the_cluster_are_admitted() -> None:
    """Of 339 manifests the few that name hosts, buckets or clusters elsewhere are refused, and no other."""
    read = list(documents())
    names = {creation(one.value, "default").namespace for one in read} - {""}
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    snapshot = MemorySnapshot.of(namespaces).completing([("", "Namespace")])
    refused: dict[str, list[str]] = {}
    for case in check(read, engine(), snapshot, NOW):
        for reason in case.reasons:
            refused.setdefault(case.document.source, []).append(f"{reason.code}: {reason.message}")
    why = Counter(re.sub(r"`[^`]*`", "…", told) for each in refused.values() for told in each)
    print(f"{len(refused)} of {len({one.source for one in read})} manifests refused")
    print(*(f"{count:4} {reason}" for reason, count in why.most_common()), sep="\n")
    within = [told for each in refused.values() for told in each if _only_the_cluster(told)]
    assert within == []
    assert 30 < len(refused) < 80


def _only_the_cluster(told: str) -> bool:
    """Whether what a refusal names as out of place is plainly a host of the cluster."""
    if "cluster `" in told or "nothing says" not in told:
        return False
    named = [name for name in NAMED.findall(told) if name != "eu" and not name.startswith("spec.")]
    return any(WITHIN.fullmatch(name) for name in named)
