"""AdmissionReviews given to `bailiwick check` and `bailiwick explain`: judged as what they ask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bailiwick import command
from tests.policies.law import EU, namespace, profile

REVIEWS = Path(__file__).parents[1] / "vectors" / "reviews"
CLUSTER = [EU, namespace("inference")]
CONNECTIONS = ("pod-exec", "pod-attach", "pod-portforward", "pod-proxy")


def run(tmp_path: Path, verb: str, review: Path, *more: str, group: str = "nobody") -> Result:
    law = tmp_path / "law.yaml"
    cluster = profile("eu-central-1", actorGroups=[{"group": group, "place": "aws.eu-central-1"}])
    law.write_text(yaml.safe_dump_all([*CLUSTER, cluster]))
    arguments = [verb, str(review), "--rules", str(law), "--cluster", str(law), *more]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_connection_is_judged_as_one(tmp_path: Path, name: str) -> None:
    """What a real API server sent is refused for a stranger, and allowed for whoever acts from inside."""
    refused = run(tmp_path, "check", REVIEWS / f"{name}.json")
    assert refused.exit_code == 1
    line = refused.stdout.splitlines()[0]
    assert line.split()[:4] == ["denied", "CONNECT", name.replace("pod-", "pods/"), "inference/bound"]
    assert "actor-outside-jurisdiction" in refused.stdout
    allowed = run(tmp_path, "check", REVIEWS / f"{name}.json", group="tenants")
    assert (allowed.exit_code, allowed.stdout.split()[0]) == (0, "allowed")


def test_explain_says_where_the_actor_is(tmp_path: Path) -> None:
    """For a person in words, for a program as data."""
    review = REVIEWS / "pod-exec.json"
    shown = run(tmp_path, "explain", review, group="tenants").stdout
    assert "CONNECT pods/exec inference/bound" in shown
    assert "actor         user, from aws.eu-central-1" in shown
    assert "the API server's own: makes no pods" in shown
    (found,) = json.loads(run(tmp_path, "explain", review, "-o", "json").stdout)["objects"]
    assert (found["operation"], found["resource"], found["outcome"]) == ("CONNECT", "pods/exec", "denied")
    assert (found["actor"]["kind"], found["actor"]["places"]) == ("user", ["?"])
    assert "tenant-a" in found["actor"]["unknown"]


def test_reasons_have_the_line_in_the_review(tmp_path: Path) -> None:
    """The object's paths lead to its lines, although it lies inside the review."""
    review = tmp_path / "review.yaml"
    review.write_text(yaml.safe_dump(json.loads((REVIEWS / "pod-create.json").read_text()), sort_keys=False))
    found = json.loads(run(tmp_path, "check", review, "-o", "json").stdout)["cases"][0]
    lines = review.read_text().splitlines()
    reason = next(one for one in found["reasons"] if one["code"] == "image-not-pinned")
    assert "image: registry.example/vllm" in lines[reason["line"] - 1]
    assert (found["kind"], found["operation"], found["namespace"]) == ("Pod", "CREATE", "inference")


def test_every_recorded_review_is_judged_and_explained(tmp_path: Path) -> None:
    """Every operation and subresource that a real API server sends: both verbs answer for each."""
    recorded = {str(path) for path in REVIEWS.glob("*.json")}
    judged = json.loads(run(tmp_path, "check", REVIEWS, "-o", "json", group="tenants").stdout)
    assert {case["source"] for case in judged["cases"]} == recorded
    explained = json.loads(run(tmp_path, "explain", REVIEWS, "-o", "json", group="tenants").stdout)
    assert {found["source"] for found in explained["objects"]} == recorded
    assert not judged["unreadable"]


def test_a_broken_review_is_unreadable(tmp_path: Path) -> None:
    """What is no whole review is said to be none, with a hint, and the command ends with 2."""
    review = tmp_path / "review.yaml"
    review.write_text("apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest: {uid: x, operation: CONNECT}\n")
    shown = run(tmp_path, "check", review)
    assert shown.exit_code == 2
    assert "`request.object` is null on CONNECT" in shown.stdout
    assert "give the whole AdmissionReview" in shown.stdout


def test_access_by_a_transfer_is_listed_as_such() -> None:
    """`bailiwick transfers` shows what was asked, and finds it when the transfer has ended."""
    folder = Path(__file__).parents[2] / "examples" / "access"
    given = ["--rules", str(folder / "rules.yaml"), "--cluster", str(folder / "cluster.yaml")]
    words = ["transfers", str(folder / "from-zurich.yaml"), *given]
    shown = CliRunner().invoke(command, words, catch_exceptions=False)
    assert (shown.exit_code, "relied on   CONNECT pods/exec clinic/chat-0" in shown.stdout) == (0, True)
    later = CliRunner().invoke(command, [*words, "--on", "2029-01-01"], catch_exceptions=False)
    assert (later.exit_code, "FINDING     CONNECT pods/exec" in later.stdout) == (1, True)
