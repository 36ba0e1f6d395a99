"""Versions of one kind: every path that one has and another lacks is read in the one and not in the other."""

import pytest

from policies.workloads import extract
from policies.workloads.catalogue.kinds import builtin
from policies.workloads.catalogue.paths import EACH, EVERY, parse

POD = {"containers": [{"name": "c", "image": "registry.example/a:b", "args": ["--model", "hf://a/b"]}]}
TEXT = "registry.example/a:b"
KINDS = sorted(name for name, rows in builtin().kinds.items() if len(rows) > 1)


def paths_of(row):
    """What a version reads, as fact and path: only rows whose sense a test can make up."""
    for one in row.get("pods", ()):
        if not one.get("flat"):
            yield "pods", ".".join(part for part in (one["template"], one.get("spec", "spec")) if part)
    for path in row.get("containers", ()):
        yield "containers", path
    for one in row.get("destinations", ()):
        if one.keys() <= {"at", "kind", "host", "what"} and one.get("host") == ".":
            yield "destinations", one["at"]
    for fact in ("images", "models"):
        for one in row.get(fact, ()):
            said = one if isinstance(one, dict) else {"at": one}
            if set(said) <= {"at", "scheme"}:
                yield fact, said["at"]


def holding(path, value):
    for step in reversed(parse(path)):
        value = [value] if step == EACH else {"key" if step == EVERY else step[1:]: value}
    return value


def read(name, version, fact, path):
    """Whether that version reads the path as that fact."""
    group, _, kind = name.rpartition("/")
    value = POD if fact == "pods" else {"image": TEXT} if fact == "containers" else TEXT
    subject = {**holding(path, value), "apiVersion": f"{group}/{version}", "kind": kind}
    return bool(extract(subject)["images" if fact == "containers" else fact])


@pytest.mark.parametrize("name", KINDS)
def test_what_a_version_lacks_is_not_read_in_it(name):
    """A field that moved, or came later, counts in the versions that have it and in no other."""
    rows = builtin().kinds[name]
    for row in rows:
        mine = set(paths_of(row))
        for version in row["versions"]:
            assert all(read(name, version, fact, path) for fact, path in mine), version
            for other in rows:
                foreign = {
                    (fact, path) for fact, path in set(paths_of(other)) - mine if not any(path == p for _, p in mine)
                }
                wrong = [(fact, path) for fact, path in foreign if read(name, version, fact, path)]
                assert wrong == [], version


def test_there_are_differences():
    """The versions differ in more than a few paths, pods among them."""
    differing = {
        (name, fact, path)
        for name in KINDS
        for one in builtin().kinds[name]
        for other in builtin().kinds[name]
        for fact, path in set(paths_of(one)) - set(paths_of(other))
    }
    assert len(differing) >= 15
    assert {fact for _, fact, _ in differing} >= {"pods", "images", "containers"}


def test_devices_moved_between_versions_of_a_claim():
    """`deviceClassName` stands beside the request in v1beta1 and under `exactly` since: each is read in its own."""
    old = {"devices": {"requests": [{"name": "g", "deviceClassName": "gpu.nvidia.com"}]}}
    new = {"devices": {"requests": [{"name": "g", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]}}
    for version, spec, expected in (("v1beta1", old, 1), ("v1beta2", new, 1), ("v1", new, 1)):
        subject = {"apiVersion": f"resource.k8s.io/{version}", "kind": "ResourceClaim", "spec": spec}
        assert len(extract(subject)["devices"]) == expected


def test_a_version_nobody_has_listed_is_read_as_the_newest():
    """A version that comes after the catalogue is not a way around it."""
    newest = {"apiVersion": "nvidia.com/v9", "kind": "DynamoGraphDeployment"}
    spec = {"components": [{"podTemplate": {"spec": POD}}]}
    assert [one["path"] for one in extract({**newest, "spec": spec})["pods"]] == ["spec.components[0].podTemplate"]
