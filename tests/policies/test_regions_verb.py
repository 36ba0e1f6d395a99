"""`bailiwick regions`: what it shows, and how it ends."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bailiwick import command
from policies.geography.lookup import PlaceNotFound

RULES = Path(__file__).parents[2] / "examples" / "quickstart" / "rules"
SITE = """
apiVersion: bailiwick.dev/v1alpha1
kind: ClusterProfile
metadata: {name: cluster}
spec:
  cluster: test
  sites:
  - name: basel-cellar
    country: CH
    operator: {name: Clinic, country: CH}
    match: {nodeNames: ["rack-*"]}
---
apiVersion: bailiwick.dev/v1alpha1
kind: Jurisdiction
metadata: {name: alpine}
spec: {locatedIn: {countries: [CH, AT]}}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["regions", *map(str, arguments)], catch_exceptions=False)


def test_one_place_is_shown_with_all_that_is_known() -> None:
    """Country, operator, who controls it, which law reaches it, and how well it is known."""
    shown = run("aws", "eu-central-1")
    assert shown.exit_code == 0
    lines = dict(line.split("  ", 1) for line in shown.stdout.splitlines())
    lines = {key: value.strip() for key, value in lines.items()}
    assert lines["place"] == "aws.eu-central-1"
    assert lines["located in"] == "DE, Europe (Frankfurt)"
    assert lines["controlled from"] == "US"
    assert lines["country sets"] == "EEA, EU"


def test_a_table_says_which_places_are_admitted_and_why_others_are_not() -> None:
    """Under the quickstart's jurisdiction: Frankfurt is in, Virginia is not, and the table says why."""
    shown = run("--rules", RULES, "--jurisdiction", "eu", "--declared")
    rows = {line.split()[0]: line for line in shown.stdout.splitlines()[1:-1]}
    assert sorted(rows) == ["aws.eu-central-1", "aws.eu-west-3", "aws.us-east-1", "scaleway.fr-par"]
    assert rows["aws.eu-central-1"].endswith("yes")
    assert rows["aws.us-east-1"].endswith("no: located in US")


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_for_programs(output: str) -> None:
    """JSON and YAML hold what the table shows, unabridged."""
    shown = run("us-east-1", "aws", "--rules", RULES, "--jurisdiction", "eu", "-o", output)
    (place,) = (json.loads(shown.stdout) if output == "json" else yaml.safe_load(shown.stdout))["places"]
    assert (place["code"], place["country"], place["declared"], place["admitted"]) == (
        "aws.us-east-1",
        "US",
        True,
        False,
    )
    assert place["refusals"] == ["`aws.us-east-1` is located in US"]
    assert place["operator"]["country"] == "US"


def test_a_private_site_is_a_place(tmp_path: Path) -> None:
    """What the deployer declares is listed beside the clouds, and judged like them."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(SITE)
    shown = run("basel-cellar", "--rules", rules, "--jurisdiction", "alpine")
    assert "a site that the ClusterProfile declares" in shown.stdout
    assert "in `alpine`" in shown.stdout
    assert "yes" in shown.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--jurisdiction", "eu"], "name the files with your rules"),
        (["--declared"], "name the files with your rules"),
        (["--rules", str(RULES), "--jurisdiction", "eux"], "did you mean `eu`"),
        (["--rules", str(RULES), "--jurisdiction", "mars"], "there are: eu"),
    ],
)
def test_a_mistake_ends_with_2(arguments: list[str], says: str) -> None:
    """What isn't declared can't be asked, and the message says what could be."""
    shown = run(*arguments)
    assert shown.exit_code == 2
    assert says in shown.output


def test_a_misspelt_place_is_a_usage_error_with_its_hint() -> None:
    """The error carries the hint that `main` prints."""
    with pytest.raises(PlaceNotFound) as refused:
        run("eu-centrl-1")
    assert refused.value.hint.startswith("did you mean `eu-central-1`")
