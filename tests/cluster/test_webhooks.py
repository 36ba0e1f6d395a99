"""Registering webhooks: in force when the block begins, gone when it ends, failing as their policy says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.bed.cluster import Cluster, Json, RequestFailed
from tests.cluster.bed.recorder import Recorder, allow
from tests.cluster.bed.webhooks import configuration, register, rule

pytestmark = pytest.mark.cluster

VALIDATING, MUTATING = "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"


def refuse(review: Json) -> Json:
    """An answer that denies."""
    return {**allow(review), "allowed": False, "status": {"message": "refused by the test"}}


@pytest.fixture
def refuser(tmp_path: Path, webhook_host: str) -> Iterator[Recorder]:
    """A webhook that denies everything."""
    with Recorder(tmp_path, host=webhook_host, answer=refuse) as recorder:
        yield recorder


def guard(kind: str, hook: Recorder, namespace: str, **settings: object) -> Json:
    """A registration of the hook for ConfigMaps of one namespace."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    settings = {"namespaceSelector": selector, **settings}
    rules = [rule("", ["configmaps"], ["CREATE"])]
    return configuration(
        kind, f"guard-{namespace}", url=f"{hook.url}/{kind}", ca_bundle=hook.ca_bundle, rules=rules, settings=settings
    )


def create(cluster: Cluster, namespace: str, name: str) -> tuple[int, str]:
    """Create a ConfigMap; return status and message."""
    reply = cluster.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": name}})
    return reply.status, reply.message


@pytest.mark.parametrize("kind", [VALIDATING, MUTATING])
def test_in_force_at_once_and_gone_at_once(
    control_plane: Cluster, namespace: str, refuser: Recorder, kind: str
) -> None:
    """The first request inside the block meets the webhook and the first one after it doesn't, time after time."""
    for turn in range(5):
        with register(control_plane, [guard(kind, refuser, namespace)]):
            status, message = create(control_plane, namespace, f"inside-{turn}")
            assert (status, "refused by the test" in message) == (400, True), message
        assert create(control_plane, namespace, f"outside-{turn}")[0] == 201
    assert [r.request["name"] for r in refuser.reviews] == [f"inside-{turn}" for turn in range(5)]


def test_several_configurations(control_plane: Cluster, namespace: str, tmp_path: Path, webhook_host: str) -> None:
    """A mutating and a validating configuration registered together are both asked, in that order."""
    with Recorder(tmp_path, host=webhook_host) as hook:
        with register(control_plane, [guard(kind, hook, namespace) for kind in (VALIDATING, MUTATING)]):
            assert create(control_plane, namespace, "asked")[0] == 201
        assert [r.path.split("?", maxsplit=1)[0] for r in hook.reviews] == [f"/{MUTATING}", f"/{VALIDATING}"]


@pytest.mark.parametrize(("policy", "status"), [("Fail", 500), ("Ignore", 201)])
def test_killed_webhook(
    control_plane: Cluster, namespace: str, tmp_path: Path, webhook_host: str, policy: str, status: int
) -> None:
    """With the webhook gone, a registration that says Fail refuses and one that says Ignore admits."""
    hook = Recorder(tmp_path, host=webhook_host)
    config = guard(VALIDATING, hook, namespace, failurePolicy=policy)
    with register(control_plane, [config]):
        assert create(control_plane, namespace, "while-it-lived")[0] == 201
        hook.close()
        assert create(control_plane, namespace, "when-it-was-gone")[0] == status
    assert [r.request["name"] for r in hook.reviews] == ["while-it-lived"]


def test_refused_configuration_leaves_nothing(control_plane: Cluster, namespace: str, refuser: Recorder) -> None:
    """When the API server refuses one of the configurations, none of them stays."""
    good = guard(VALIDATING, refuser, namespace)
    bad = guard(MUTATING, refuser, namespace, sideEffects="Some")
    with pytest.raises(RequestFailed, match="sideEffects"), register(control_plane, [good, bad]):
        raise AssertionError("the block must not run")
    assert create(control_plane, namespace, "free")[0] == 201


def test_configurations_are_not_changed(control_plane: Cluster, namespace: str, refuser: Recorder) -> None:
    """The caller's object stays as it was, without the marker."""
    config = guard(VALIDATING, refuser, namespace)
    before = str(config)
    with register(control_plane, [config]):
        assert str(config) == before
