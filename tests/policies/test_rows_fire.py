"""Rows of the tables that ship with the product: from each, the smallest object that it is about makes its fact."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from policies.geography.geography import Geography
from policies.geography.hosts import place_of_host, place_of_registry
from policies.geography.regions import Regions
from policies.workloads import extract, runtime_level, whole
from policies.workloads.catalogue.tables import table
from policies.workloads.devices.devices import resource_row

MODELS, DEVICES, FACTS = table("models"), table("devices"), table("facts")


def pod(*, spec: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """What is extracted from a pod of one container."""
    made = {"containers": [{"name": "a", "image": "a.example/b", **container}], **(spec or {})}
    return whole(extract({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": made}))


def annotated(**annotations: str) -> dict[str, Any]:
    metadata = {"name": "a", "annotations": annotations}
    spec = {"containers": [{"name": "a", "image": "a.example/b"}]}
    return whole(extract({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))


def named(facts: dict[str, Any]) -> list[str]:
    return [one["reference"] for one in facts["models"]]


def variables(**said: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value} for name, value in said.items()]}


@pytest.mark.parametrize("row", MODELS["flags"], ids=lambda row: row["names"][0])
def test_each_flag_names_a_model_or_nothing(row: dict[str, Any]) -> None:
    """Each of its names before a value; a row to skip makes its value no model's."""
    value = {"json": '{"model": "o/n"}', "adapters": "a=o/n"}.get(
        row.get("form", ""), "hf://o/n" if "loose" in row else "o/n"
    )
    for name in row["names"]:
        found = named(pod(args=["program", name, value]))
        assert found == ([] if row.get("form") == "skip" else [value if "loose" in row else "o/n"]), name
        for revision in row.get("revision", ()):
            assert pod(args=["program", name, value, revision, "0" * 40])["models"][0]["pinned"], revision


@pytest.mark.parametrize("row", MODELS["commands"], ids=lambda row: " ".join(row["words"]))
def test_each_command_names_a_model(row: dict[str, Any]) -> None:
    """Its words, however their program is called, before a model."""
    model = "hf://o/n" if "loose" in row else "o/n"
    for flag in row.get("flags", [None]):
        first, *more = row["words"]
        for program in (first, f"/some/where/{first}"):
            assert model in named(pod(command=[program, *more, *([flag] if flag else []), model])), program


def test_each_variable_names_a_model_or_none() -> None:
    """Those that do, those that do where the value reads so, and those whose names only look so."""
    rules = MODELS["environment"]
    for name in rules["names"] + rules["loose"]:
        assert named(pod(**variables(**{name: "hf://o/n"}))) == ["hf://o/n"], name
    for name in rules["not_models"]:
        assert named(pod(**variables(**{name: "o/n"}))) == [], name
    for name in rules["revision"]:
        assert pod(**variables(MODEL_ID="o/n", **{name: "0" * 40}))["models"][0]["pinned"], name


def test_each_scheme_is_read_as_what_it_is() -> None:
    for scheme, what in MODELS["schemes"].items():
        found = pod(**variables(MODEL_ID=f"{scheme}://o/n"))["models"]
        assert [one["scheme"] for one in found] == [what], scheme


def test_each_server_is_given_its_model_bare() -> None:
    for server in MODELS["servers"]:
        assert named(pod(image=f"a.example/{server.removeprefix('/')}", args=["o/n"])) == ["o/n"], server


def test_each_attribute_of_a_volume_names_a_model() -> None:
    for name in MODELS["csi_attributes"]:
        volume = {"name": "v", "csi": {"driver": "models.example", "volumeAttributes": {name: "o/n"}}}
        assert "o/n" in named(pod(spec={"volumes": [volume]})), name


def globbed(pattern: str) -> str:
    return pattern.replace("*", "x")


def matches(row: dict[str, Any]) -> Iterator[str]:
    said = row["match"]
    yield from map(globbed, said if isinstance(said, list) else [said])


@pytest.mark.parametrize("row", DEVICES["resources"], ids=lambda row: str(row["match"]))
def test_each_resource_is_a_device_of_its_row(row: dict[str, Any]) -> None:
    """No row stands behind one that takes all that it is for."""
    for name in matches(row):
        assert resource_row(name) == row, name
        found = pod(resources={"limits": {name: "1"}})["devices"]
        assert (name, row["level"]) in [(one["resource"], one["level"]) for one in found], name
        for proof in row.get("proofs", ()):
            needs = [{**one, "key": one["key"].format(resource=name)} for one in proof["needs"]]
            term = {"nodeSelectorTerms": [{"matchExpressions": needs}]}
            affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}
            proved = pod(spec={"affinity": affinity}, resources={"limits": {name: "1"}})["devices"]
            assert [one["level"] for one in proved] == [proof["level"]], proof


def test_devices_together_and_split() -> None:
    """Resources that mean something else beside each other."""
    for row in DEVICES["together"]:
        limits = dict.fromkeys(row["covers"], "1") | {name: str(count) for name, count in row["needs"].items()}
        levels = {one["resource"]: one["level"] for one in pod(resources={"limits": limits})["devices"]}
        assert levels == dict.fromkeys(row["covers"], row["level"])
    for row in DEVICES["split"]:
        for name in row["covers"]:
            for beside in row["when"]:
                found = pod(resources={"limits": {name: "1", beside: "1"}})["devices"]
                assert {one["resource"]: one["mechanism"] for one in found}[name] == row["mechanism"], beside


def test_each_annotation_asks_for_a_device() -> None:
    for row in DEVICES["metadata"]:
        for key in matches(row):
            for value, level in {"other": row["level"], **row.get("values", {})}.items():
                found = annotated(**{key: value})["devices"]
                assert [(one["mechanism"], one["level"]) for one in found] == [(row["mechanism"], level)], key


def test_each_bypass_takes_a_device() -> None:
    """Variables, folders of the node, mounts, capabilities, namespaces of the node."""
    rules = DEVICES["bypasses"]
    for name in rules["environment"]:
        assert pod(**variables(**{name: "all"}))["devices"], name
        assert not any(pod(**variables(**{name: value}))["devices"] for value in rules["environment"][name]), name
    for path in rules["host_paths"]:
        volumes = [{"name": "v", "hostPath": {"path": path}}]
        assert pod(spec={"volumes": volumes}, volumeMounts=[{"name": "v", "mountPath": "/a"}])["devices"], path
    for path in rules["mount_paths"]:
        assert pod(spec={"volumes": [{"name": "v", "emptyDir": {}}]}, volumeMounts=[{"name": "v", "mountPath": path}])[
            "devices"
        ]
    for name in rules["capabilities"]:
        assert pod(securityContext={"capabilities": {"add": [name]}})["devices"], name
    for name in rules["pod"]:
        assert pod(spec={name: True})["devices"], name


def test_each_handler_has_its_level() -> None:
    for row in DEVICES["handlers"]:
        assert all(runtime_level(handler) == row["level"] for handler in matches(row)), row


def test_each_key_of_a_service_leads_to_it() -> None:
    """Unless one of the variables says where else."""
    for name, row in FACTS["implied"].items():
        assert row["host"] in hosts(pod(**variables(**{name: "secret"}))), name
        for other in row["unless"]:
            if other not in FACTS["implied"]:  # else that one leads there
                assert row["host"] not in hosts(pod(**variables(**{name: "secret", other: "a.b.svc"}))), (name, other)


def test_each_switch_leads_to_its_provider() -> None:
    for name, row in FACTS["switches"].items():
        for region in row["regions"]:
            found = pod(**variables(**{name: row.get("only", "1"), region: "r-1"}))["destinations"]
            assert (row["provider"], "r-1") in [(one["provider"], one["region"]) for one in found], (name, region)


def test_each_upload_leads_to_its_host() -> None:
    for program, row in FACTS["uploads"].items():
        for command in row["commands"]:
            assert row["host"] in hosts(pod(command=[program, command, "a"])), (program, command)


def test_each_annotation_leads_where_it_says() -> None:
    for key in FACTS["destination_annotations"]:
        assert any("a.example" in one for one in hosts(annotated(**{key: "https://a.example:443"}))), key
    for key in FACTS["image_annotations"]:
        assert [one for one in annotated(**{key: "b.example/c:v1"})["images"] if one["registry"] == "b.example"], key
    for key in FACTS["key_annotations"]:
        assert [one["reference"] for one in annotated(**{key: "k"})["keys"]] == ["k"], key


def hosts(facts: dict[str, Any]) -> list[str]:
    return [one["host"] for one in facts["destinations"]]


@pytest.mark.parametrize("kind", ["hosts", "registries"])
def test_each_pattern_of_a_provider_places_a_host(kind: str) -> None:
    """A host is made from the pattern, in a region of the provider's; or why it has none is said."""
    regions, geography = Regions.builtin(), Geography()
    place = place_of_host if kind == "hosts" else place_of_registry
    for row in getattr(regions, kind):
        if "spans" in row:
            assert row["spans"] in place(made(row["match"], ""), geography).because, row
            continue
        known = [*row.get("regions", {}), *regions.providers[row["provider"]].regions]
        found = [place(made(row["match"], region.lower()), geography) for region in known]
        assert any(one.place is not None and one.place.provider == row["provider"] for one in found), row


def made(match: str, region: str) -> str:
    return re.sub(r"^\*\*\.", "a.", match).replace("*", "a").replace("{region}", region)


def test_each_volume_of_a_network_or_a_cloud_is_one() -> None:
    """Servers of network volumes, volumes of clouds, buckets that drivers mount."""
    for kind, fields in FACTS["network_volumes"].items():
        for field in fields if isinstance(fields, list) else [fields]:
            for value in ("nas.b.example", ["nas.b.example"]):
                facts = pod(spec={"volumes": [{"name": "v", kind: {field: value}}]})
                if "nas.b.example" in str(facts["destinations"]) + str(facts["volumes"]):
                    break
            else:
                pytest.fail(f"{kind}: {field}")
    for kind, row in FACTS["cloud_volumes"].items():
        facts = pod(spec={"volumes": [{"name": "v", kind: {row["field"]: "vol-1"}}]})
        assert (row["provider"], "vol-1") in told(facts), kind
    for driver, row in FACTS["csi_buckets"].items():
        volume = {"name": "v", "csi": {"driver": driver, "volumeAttributes": {row["bucket"]: "bucket-1"}}}
        found = pod(spec={"volumes": [volume]})["destinations"]
        assert (row["provider"], "bucket-1") in [(one["provider"], one["bucket"]) for one in found], driver


def test_each_trigger_and_component_leads_to_its_vendor() -> None:
    for kind in FACTS["triggers"]["vendors"]:
        trigger = {"type": kind, "metadata": {}}
        assert other("keda.sh/v1alpha1", "ScaledObject", triggers=[trigger])["destinations"], kind
    for kind, host in FACTS["components"]["hosts"].items():
        assert host in hosts(other("dapr.io/v1alpha1", "Component", type=kind, version="v1", metadata=[])), kind
    for kind in FACTS["components"]["local"]:
        name = f"{kind}x" if kind.endswith(".") else kind
        assert hosts(other("dapr.io/v1alpha1", "Component", type=name, version="v1", metadata=[])) == [], kind


def test_each_sender_sends_to_the_host_behind_it() -> None:
    """Hosts that are named alone, or with a path as some ask for it."""
    for program in FACTS["senders"]:
        said = (["b.example"], ["-h", "b.example"], ["b.example:/a"], ["u@b.example:/a"], ["https://b.example/a"])
        assert any("b.example" in one for words in said for one in hosts(pod(command=[program, *words]))), program


def told(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Providers, and what of theirs is named."""
    return [
        (one.get("provider", ""), one.get(field, ""))
        for one in facts["destinations"] + facts["volumes"]
        for field in one
    ]


def other(version: str, kind: str, /, **spec: Any) -> dict[str, Any]:
    return whole(extract({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec}))
