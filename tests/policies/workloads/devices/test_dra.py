"""What the devices of a DRA claim are worth."""

import pytest

from policies.workloads import extract
from policies.workloads.devices.dra import devices_of_claim


def claim(*requests, config=(), version="v1"):
    spec = {"devices": {"requests": list(requests), "config": list(config)}}
    return {"apiVersion": f"resource.k8s.io/{version}", "kind": "ResourceClaim", "spec": spec}


def request(name="gpu", **fields):
    return {"name": name, "exactly": {"deviceClassName": "gpu.nvidia.com", **fields}}


def sharing(strategy, *requests):
    parameters = {"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig", "sharing": {"strategy": strategy}}
    return {"requests": list(requests), "opaque": {"driver": "gpu.nvidia.com", "parameters": parameters}}


MIG = [{"cel": {"expression": "device.attributes['gpu.nvidia.com'].type == 'mig'"}}]
WORTH = [
    (claim(request()), "unknown", "exclusive"),
    (claim(request(deviceClassName="mig.nvidia.com")), "unknown", "partitioned"),
    (claim(request(selectors=MIG)), "unknown", "partitioned"),
    (claim(request(deviceClassName="vendor.example")), "unknown", "unknown"),
    (claim(request(adminAccess=True)), "shared", "shared"),
    (claim(request(), config=[sharing("TimeSlicing")]), "shared", "shared"),
    (claim(request(), config=[sharing("TimeSlicing", "gpu")]), "shared", "shared"),
    (claim(request(), config=[sharing("TimeSlicing", "other")]), "unknown", "exclusive"),
    (claim(request(), config=[sharing("MPS")]), "unknown", "limited"),
    (claim(request(), config=[sharing("SomethingNew")]), "shared", "shared"),
    (claim(request(capacity={"requests": {"memory": "4Gi"}})), "unknown", "limited"),
    (claim(request(capacity={"requests": {"shares": 1}})), "unknown", "unknown"),
    (claim({"name": "gpu", "deviceClassName": "gpu.nvidia.com"}, version="v1beta1"), "unknown", "exclusive"),
]


@pytest.mark.parametrize(("subject", "alone", "informed"), WORTH, ids=lambda value: str(value)[:80])
def test_levels(subject, alone, informed):
    """From the claim alone little is proven; with its users and slices known, this much."""
    assert [one["level"] for one in extract(subject)["devices"]] == [alone]
    devices = subject["spec"]["devices"]
    assert [one["level"] for one in devices_of_claim(devices, "", dedicated=True, unshared=True)] == [informed]


def test_paths_and_counts():
    """Each alternative is a device of its own; `All` has no number."""
    either = {"name": "gpu", "firstAvailable": [{"deviceClassName": "a", "count": 2}, {"deviceClassName": "b"}]}
    subject = claim(either, request(count=4), request(allocationMode="All"))
    found = [(one["path"], one["claim"], one["count"]) for one in extract(subject)["devices"]]
    assert found == [
        ("spec.devices.requests[0].firstAvailable[0]", "a", 2),
        ("spec.devices.requests[0].firstAvailable[1]", "b", 1),
        ("spec.devices.requests[1].exactly", "gpu.nvidia.com", 4),
        ("spec.devices.requests[2].exactly", "gpu.nvidia.com", 0),
    ]


def test_a_class_may_carry_sharing():
    """Configuration of a DeviceClass applies to every claim of it, and is invisible in the claim."""
    classes = {"gpu.nvidia.com": {"spec": {"config": [sharing("TimeSlicing")]}}}
    devices = claim(request())["spec"]["devices"]
    found = devices_of_claim(devices, "", dedicated=True, unshared=True, classes=classes)
    assert [one["level"] for one in found] == ["shared"]
