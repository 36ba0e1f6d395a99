"""The recorded reviews are what this API server sends, and carry nothing of the machine they were recorded on."""

from __future__ import annotations

import getpass
import json
import socket
import tempfile
from pathlib import Path

import pytest

from tests.cluster.bed import record, scenes
from tests.cluster.bed.cluster import Json
from tests.cluster.bed.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

VECTORS = {path.stem: path for path in sorted(record.VECTORS.glob("*.json"))}


def shape(request: Json) -> Json:
    """What a review's request always has: operation, kinds, actor, and the field names of its parts."""
    kept = ("operation", "kind", "resource", "subResource", "requestKind", "requestResource", "dryRun")
    facts = {key: request.get(key) for key in kept}
    parts = {key: sorted(request[key]) if request[key] else None for key in ("object", "oldObject", "options")}
    user = {**request["userInfo"], "uid": None, "extra": sorted(request["userInfo"].get("extra", ()))}
    return facts | parts | {"fields": sorted(request), "userInfo": user}


def test_vectors_are_what_is_sent_today(local_control_plane: ControlPlane, tmp_path: Path) -> None:
    """Every scene played on this API server gives a review of the recorded shape, and no vector is without a scene."""
    takes = record.record(local_control_plane, tmp_path)
    assert {take.scene.name for take in takes} == set(VECTORS)
    for take in takes:
        assert shape(take.request) == shape(json.loads(VECTORS[take.scene.name].read_bytes())["request"]), (
            take.scene.name
        )


def test_written_vectors_are_the_bytes_received(local_control_plane: ControlPlane, tmp_path: Path) -> None:
    """Writing keeps bodies byte for byte, lists them, and clears away those of an older recording."""
    scene = scenes.SCENES[0]
    body = b'{"request":{"uid":"1", "userInfo":{"username":"u"}}} '
    (tmp_path / "stale.json").write_text("{}")
    record.write([record.Take(scene, body, json.loads(body)["request"])], tmp_path, version="v0")
    assert {p.name for p in tmp_path.iterdir()} == {f"{scene.name}.json", "README.md"}
    assert (tmp_path / f"{scene.name}.json").read_bytes() == body
    assert f"| {scene.name}.json | {scene.operation} | {scene.resource} | u |" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("name", VECTORS)
def test_vector_is_complete_and_clean(name: str) -> None:
    """A vector is one AdmissionReview with a uid and an actor, and names no path, host or person of the machine."""
    text = VECTORS[name].read_text()
    review = json.loads(text)
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert review["request"]["uid"]
    assert review["request"]["userInfo"]["username"]
    assert "" not in review["request"]["userInfo"]["groups"]
    checkout = str(record.VECTORS.parents[2])
    for private in (
        checkout,
        str(Path.home()),
        tempfile.gettempdir(),
        "/home/",
        "/Users/",
        f'"{socket.gethostname()}"',
    ):
        assert private not in text
    assert f'"{getpass.getuser()}"' not in text
