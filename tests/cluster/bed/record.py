"""Record the AdmissionReviews that a real API server sends, as vectors for tests that have none.

Run as `python -m tests.cluster.bed.record [folder]` from the top of the checkout. The scenes of `scenes` are played one
by one on a control plane of their own, with a recorder registered for everything they touch; the review that a scene is
about is stored as it came over the wire, byte for byte. Uids and times differ each time, shapes don't.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.bed import scenes
from tests.cluster.bed.cluster import Json
from tests.cluster.bed.control_plane import Binaries, ControlPlane
from tests.cluster.bed.processes import BedError
from tests.cluster.bed.recorder import Recorded, Recorder
from tests.cluster.bed.webhooks import configuration, register, rule

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "reviews"
HEAD = """# AdmissionReviews recorded from a real API server

Bodies as Kubernetes {version} put them on the wire, byte for byte. Recorded by
`python -m tests.cluster.bed.record`, which writes this page too; nothing here is edited by hand.

| file | operation | resource | by | what it shows |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Take:
    """One scene's review."""

    scene: scenes.Scene
    body: bytes
    request: Json

    @property
    def row(self) -> str:
        """The scene's line in the table of contents."""
        what = (self.scene.operation, self.scene.resource, self.request["userInfo"]["username"], self.scene.shows)
        return f"| {self.scene.name}.json | {' | '.join(what)} |\n"


def record(plane: ControlPlane, folder: Path) -> tuple[Take, ...]:
    """Play all scenes; `folder` is for the recorder's certificate. Raise BedError when a scene yields no review."""
    with scenes.stage(plane), Recorder(folder) as recorder, register(plane, configurations(recorder)):
        return tuple(_take(plane, recorder, scene) for scene in scenes.SCENES)


def configurations(recorder: Recorder) -> list[Json]:
    """Registrations for everything that happens in the scenes' namespaces, and to the kubelet's node."""
    everything = rule("*", ["*/*"], version="*")
    hpa = rule("autoscaling", ["horizontalpodautoscalers"], version="v2")
    inside: Json = {"namespaceSelector": {"matchExpressions": [scenes.SELECTED]}}
    validate, mutate = "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"
    bundle = recorder.ca_bundle
    ours: Json = {**inside, "matchConditions": [scenes.ONLY_OURS]}
    return [
        configuration(
            validate,
            "recorded",
            url=f"{recorder.url}/validate",
            ca_bundle=bundle,
            rules=[everything],
            settings=ours,
        ),
        configuration(
            validate, "recorded-hpa", url=f"{recorder.url}/validate-v2", ca_bundle=bundle, rules=[hpa], settings=inside
        ),
        configuration(
            mutate,
            "recorded-mutation",
            url=f"{recorder.url}/mutate",
            ca_bundle=bundle,
            rules=[everything],
            settings=ours,
        ),
    ]


def write(takes: Sequence[Take], folder: Path, *, version: str) -> None:
    """Replace the vectors in a folder by these, with a table of contents."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for take in takes:
        (folder / f"{take.scene.name}.json").write_bytes(take.body)
    (folder / "README.md").write_text(HEAD.format(version=version) + "".join(take.row for take in takes))


def _take(plane: ControlPlane, recorder: Recorder, scene: scenes.Scene) -> Take:
    before = len(recorder.reviews)
    scene.play(plane)
    found: list[Recorded] = []

    def arrived() -> bool:
        found[:] = [r for r in recorder.reviews[before:] if scene.is_about(r.path, r.request)]
        return bool(found)

    try:
        plane.wait_for(f"the review of scene `{scene.name}`", arrived, seconds=15)
    except BedError as error:
        seen = "\n".join(_summary(r) for r in recorder.reviews[before:])
        raise BedError(f"{error}; there were:\n{seen}") from error
    return Take(scene, found[0].body, found[0].request)


def _summary(recorded: Recorded) -> str:
    request = recorded.request
    return f"{recorded.path} {request['operation']} {scenes.full_resource(request)} {request.get('name')}"


def main(arguments: Sequence[str]) -> int:
    """Record into the folder named, or into the tests' vectors."""
    target = Path(arguments[0]) if arguments else VECTORS
    with tempfile.TemporaryDirectory(prefix="bed-") as scratch:
        plane = ControlPlane.start(Path(scratch), Binaries.built())
        try:
            takes = record(plane, Path(scratch) / "recorder")
            write(takes, target, version=plane.request("GET", "/version").ok()["gitVersion"])
        finally:
            plane.close()
    print(f"{len(takes)} reviews in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
