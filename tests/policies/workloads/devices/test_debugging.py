"""What a debug container sees into, and what changes an object without a change of its spec."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.workloads import debuggers_of, extract, is_changed

GPU = {"limits": {"nvidia.com/gpu": "1"}}


def pod(*debuggers: dict[str, Any], annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "model", "image": "m", "resources": GPU}, {"name": "log", "image": "l"}]
    metadata = {"name": "p", **({"annotations": annotations} if annotations else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers, **spec, "ephemeralContainers": list(debuggers)},
    }


def seen(found: dict[str, Any], before: Any = None) -> dict[str, list[str]]:
    (one,) = extract(found)["pods"]
    return {each["name"]: each["sees"] for each in debuggers_of(one["spec"], before, one["devices"])}


DEBUG = {"name": "d", "image": "d"}


@pytest.mark.parametrize(
    ("found", "sees"),
    [
        (pod(DEBUG), []),
        (pod({**DEBUG, "targetContainerName": "model"}), ["nvidia.com/gpu"]),
        (pod({**DEBUG, "targetContainerName": "log"}), []),
        (pod(DEBUG, shareProcessNamespace=True), ["nvidia.com/gpu"]),
        (pod(DEBUG, hostPID=True), ["nvidia.com/gpu", "hostPID"]),
        (pod({**DEBUG, "targetContainerName": "log"}, annotations={"gpu-fraction": "0.5"}), ["fraction"]),
        (
            pod(
                {**DEBUG, "targetContainerName": "log"},
                resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "whole"}],
            ),
            ["whole"],
        ),
        (pod({**DEBUG, "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}, shareProcessNamespace=False), []),
    ],
)
def test_a_debug_container_sees_what_isn_t_surely_apart(found: dict[str, Any], sees: list[str]) -> None:
    """The container that it names, all of them where processes are shared, and what belongs to the pod as a whole."""
    assert seen(found) == {"d": sees}


def test_only_new_debug_containers_count() -> None:
    """What was let in before is not judged again when another one comes."""
    second = {**DEBUG, "name": "second"}
    assert list(seen(pod(DEBUG, second), pod(DEBUG)["spec"])) == ["second"]


json_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "targetContainerName", "ephemeralContainers", "containers", "resources"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values, json_values)
def test_anything_is_looked_at_without_a_fault(spec: Any, before: Any) -> None:
    """Wrong types anywhere give no debug containers, and no exception."""
    found = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": spec}
    (one,) = extract(found)["pods"] or [{"spec": {}, "devices": []}]
    for each in debuggers_of(one["spec"], before, one["devices"]):
        assert isinstance(each["name"], str)
    is_changed(found, {**found, "spec": before})


@pytest.mark.parametrize(
    ("annotations", "changed"),
    [
        ({"owner": "a"}, False),
        ({"gpu-fraction": "0.5"}, True),
        ({"sidecar.istio.io/proxyImage": "registry.example/proxy:latest"}, True),
        ({"bailiwick.dev/key": "vault:x"}, True),
        ({"dual-pods.llm-d.ai/server-patch": "spec: {containers: [{name: s, image: i}]}"}, True),
    ],
)
def test_notes_that_say_something_are_changes(annotations: dict[str, str], changed: bool) -> None:
    """An annotation that asks for a device, names an image or a key, or holds a pod changes what the object is."""
    assert is_changed(pod(annotations=annotations), pod()) is changed
    assert is_changed(pod(), pod(annotations=annotations)) is changed
    assert is_changed(pod(annotations=annotations), None)
