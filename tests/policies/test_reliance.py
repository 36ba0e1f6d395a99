"""What relies on which transfer, and what becomes of it on the day after its last."""

import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from policies.checking import check
from policies.gathering import gather
from policies.reliance import reliances
from policies.verbs.transfers import transfers

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
DAY = date(2026, 11, 1)
PROFILE = """
apiVersion: bailiwick.dev/v1alpha1
kind: ClusterProfile
metadata: {name: cluster}
spec: {cluster: test, providers: [{name: aws, regions: [eu-central-1]}]}
---
apiVersion: v1
kind: Namespace
metadata:
  name: default
  labels: {bailiwick.dev/data-class: restricted, bailiwick.dev/jurisdiction: eu}
---
apiVersion: bailiwick.dev/v1alpha1
kind: Jurisdiction
metadata: {name: eu}
spec:
  locatedIn: {sets: [EU]}
  transfers: %s
"""
BACKUPS = """
apiVersion: velero.io/v1
kind: BackupStorageLocation
metadata: {name: %s, namespace: default}
spec: {provider: aws, objectStorage: {bucket: b}, config: {region: %s}}
---
"""
TO_US = {"name": "us", "to": {"countries": ["US"]}, "what": ["backups"], "basis": "GDPR 46", "expires": "2026-11-02"}
ADEQUATE = {"name": "adequate", "to": {"sets": ["EU_ADEQUACY"]}, "what": ["*"], "basis": "GDPR 45"}


@pytest.fixture
def given(tmp_path: Path):
    def make(*ways, **regions):
        rules, judged = tmp_path / "rules.yaml", tmp_path / "judged.yaml"
        rules.write_text(PROFILE % json.dumps(ways))
        judged.write_text("".join(BACKUPS % found for found in regions.items()))
        return gather((str(judged),), (str(rules),), (str(rules),), "test")

    return make


def relied_on(given, day):
    """Transfer -> name of the object -> is it in force?"""
    found = reliances(given.documents, given.engine, given.snapshot, day)
    return {
        one.transfer.name: {r.document.value["metadata"]["name"]: (r.in_force, r.until) for r in one.relying}
        for one in found
    }


def test_what_a_transfer_allows_relies_on_it(given):
    """Who needs the transfer relies on it; who is inside, or refused with it too, doesn't."""
    made = given(TO_US, home="eu-central-1", virginia="us-east-1", london="eu-west-2")
    assert relied_on(made, DAY) == {"us": {"virginia": (True, date(2026, 11, 2))}}


def test_one_that_lapses_makes_findings(given):
    """On its last day it holds; on the next what relied on it is a finding, and says since when."""
    made, last = given(TO_US, virginia="us-east-1"), date(2026, 11, 2)
    assert relied_on(made, last) == {"us": {"virginia": (True, last)}}
    assert relied_on(made, last + timedelta(days=1)) == {"us": {"virginia": (False, last)}}


def test_a_decision_on_adequacy_that_ends(given):
    """A transfer to a set ends for a country when the decision on that country ends, and for no other."""
    made = given(ADEQUATE, london="eu-west-2", tokyo="ap-northeast-1")
    (transfer,) = made.engine.law.rules["eu"].transfers
    last = date.fromisoformat(transfer.sets[0].until["GB"])
    assert relied_on(made, last) == {"adequate": {"london": (True, last), "tokyo": (True, None)}}
    assert relied_on(made, last + timedelta(days=1))["adequate"] == {"london": (False, last), "tokyo": (True, None)}


def test_a_transfer_of_other_data(given):
    """A transfer of something else is no way for backups, not even without its dates."""
    assert relied_on(given({**TO_US, "what": ["models"]}, virginia="us-east-1"), DAY) == {"us": {}}


def test_two_ways(given):
    """What either of two transfers allows is listed under both, each with its own end."""
    made = given(TO_US, {**TO_US, "name": "later", "expires": "2027-01-31"}, virginia="us-east-1")
    assert relied_on(made, date(2026, 12, 1)) == {
        "us": {"virginia": (False, date(2026, 11, 2))},
        "later": {"virginia": (True, date(2027, 1, 31))},
    }


def test_it_is_what_a_check_says(given):
    """Relying and in force is admitted by a check of that day; a finding is refused."""
    made = given(TO_US, ADEQUATE, virginia="us-east-1", london="eu-west-2", tokyo="ap-northeast-1", cape="af-south-1")
    for on in (DAY, date(2026, 11, 3), date(2035, 1, 1)):
        ways = relied_on(made, on).values()
        for document in made.documents:
            name = document.value["metadata"]["name"]
            (case,) = check((document,), made.engine, made.snapshot, _noon(on))
            lawful = any(found.get(name, (False,))[0] for found in ways)
            outside = any(reason.code == "data-outside-jurisdiction" for reason in case.reasons)
            assert outside is not lawful, (name, on)


def test_the_verb_tells_and_ends_with_1_for_findings():
    """`bailiwick transfers` shows transfer, object and line, in words and as data, and fails for what has lapsed."""
    arguments = [str(QUICKSTART / "manifests"), "--rules", str(QUICKSTART / "rules")]
    arguments += ["--cluster", str(QUICKSTART / "cluster")]
    today = CliRunner().invoke(transfers, [*arguments, "--on", "2028-12-31"])
    assert today.exit_code == 0
    assert "relied on   BackupStorageLocation velero/zurich" in today.output
    after = [CliRunner().invoke(transfers, [*arguments, "--on", "2029-01-01", "-o", form]) for form in ("json", "yaml")]
    assert [done.exit_code for done in after] == [1, 1]
    told = json.loads(after[0].output)
    assert told == yaml.safe_load(after[1].output)
    (relying,) = told["transfers"][0]["relying"]
    assert (relying["inForce"], relying["until"], relying["lines"]) == (False, "2028-12-31", [22])


def test_what_cannot_be_read(tmp_path: Path):
    """A broken manifest is named, and the rest is looked at all the same."""
    (tmp_path / "broken.yaml").write_text("a: [")
    asked = [str(tmp_path), str(QUICKSTART / "manifests"), "--rules", str(QUICKSTART / "rules")]
    done = CliRunner().invoke(transfers, [*asked, "--cluster", str(QUICKSTART / "cluster")])
    assert done.exit_code == 2
    assert "broken.yaml:" in done.stderr
    assert "velero/zurich" in done.stdout


def _noon(day: date):
    return datetime.combine(day, time(12), UTC)
