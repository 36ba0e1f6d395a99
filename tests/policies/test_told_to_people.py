"""What `check` and `explain` tell people: which line to change, everything once, and nothing wider than they see."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bailiwick import command
from policies.verbs.columns import columns
from policies.verbs.terminal import folded

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
GIVEN = ("--rules", QUICKSTART / "rules", "--cluster", QUICKSTART / "cluster")
DIGEST = "@sha256:" + "0" * 64
WORDS = st.lists(st.text("abc`/", min_size=1, max_size=30), min_size=1, max_size=12).map(" ".join)


def run(verb: str, text: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [verb, "-", *map(str, (*GIVEN, *arguments))], input=text)


def pod(spec: str, name: str = "p", namespace: str = "clinic") -> str:
    container = f"  containers: [{{name: a, image: r.example/a{DIGEST}}}]"
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n{container}\n{spec}"


@pytest.mark.parametrize(
    ("spec", "says", "line"),
    [
        ("  nodeName: ip-10-1-2-3.ec2.internal\n", "for `spec.nodeName` is `ip-10-1-2-3.ec2.internal`", 6),
        (
            "  priority: 1\n  nodeSelector:\n    bailiwick.node-restriction.kubernetes.io/place: aws.us-east-1\n",
            "asks for aws.us-east-1; admitted",
            8,
        ),
    ],
)
def test_a_refused_place_is_told_by_its_own_line(spec: str, says: str, line: int) -> None:
    """A tenant sees what to change: the constraint, and the line that it stands on, not that of the pod."""
    shown = run("check", pod(spec)).stdout
    assert f": line {line}: " in shown and says in shown
    (case,) = json.loads(run("check", pod(spec), "-o", "json").stdout)["cases"]
    assert [reason["line"] for reason in case["reasons"]] == [line]
    assert f": line {line}: " in run("explain", pod(spec)).stdout


def test_an_affinity_is_told_by_the_line_of_its_expression() -> None:
    """Of a long affinity it is the expression about places, and not the field above all terms; `explain` says which."""
    label, path = "bailiwick.node-restriction.kubernetes.io/place", "requiredDuringSchedulingIgnoredDuringExecution"
    text = pod(
        f"  affinity:\n    nodeAffinity:\n      {path}:\n        nodeSelectorTerms:\n        - matchExpressions:\n"
        f"          - {{key: gpu, operator: Exists}}\n"
        f"          - {{key: {label}, operator: In, values: [aws.us-east-1]}}\n"
    )
    assert "place-conflict: line 12: " in run("check", text).stdout
    constraint = (
        f"line 12  spec.affinity.nodeAffinity.{path}.nodeSelectorTerms[0].matchExpressions[1]: leaves aws.us-east-1"
    )
    assert constraint in run("explain", text).stdout


def test_a_template_is_told_by_the_line_of_its_own_field() -> None:
    """The message names what stands in a Pod; the line is that of the template, wherever its spec is."""
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: clinic}\nspec:\n  template:\n    spec:\n"
        f"      containers: [{{name: a, image: r.example/a{DIGEST}}}]\n      nodeName: ip-10-1-2-3.ec2.internal\n"
    )
    assert "place-outside-jurisdiction: spec.template (line 8): " in run("check", text).stdout


def test_a_gpu_that_is_shared_is_told_by_what_shares_it() -> None:
    """A variable that takes all GPUs looks like nothing of the sort: its path is in the message."""
    text = (QUICKSTART / "manifests" / "90-escape.yaml").read_text()
    shown = run("check", text).stdout
    assert "isolation-too-weak: line 43: GPU isolation is `shared` by `spec.containers[0].env[0]`, class" in shown
    assert "line 43  spec.containers[0].env[0]  environment: shared" in run("explain", text).stdout


def test_what_is_not_known_is_said_once() -> None:
    """Every policy that asks for the same namespace is one line to a person; programs get each."""
    text = pod("", namespace="nowhere")
    assert run("check", text).stdout.count("not known: Namespace `nowhere`") == 1
    assert run("explain", text).stdout.count("undetermined: not known: Namespace `nowhere`") == 1
    (case,) = json.loads(run("check", text, "-o", "json").stdout)["cases"]
    assert len(case["reasons"]) > 1


def test_a_remedy_stands_once_after_those_that_it_is_for() -> None:
    """Three images that aren't pinned are three lines, and one remedy."""
    text = (
        pod("").replace(DIGEST, "")
        + "  initContainers: [{name: b, image: r.example/b}, {name: c, image: r.example/c}]\n"
    )
    shown = run("check", text).stdout
    assert (shown.count("image-not-pinned"), shown.count("fix: reference the image by digest")) == (3, 1)
    assert shown.index("r.example/a") < shown.index("r.example/c") < shown.index("fix: reference")


@pytest.mark.parametrize("verb", ["check", "explain"])
def test_nothing_in_a_manifest_steers_a_terminal(verb: str) -> None:
    """Escapes, carriage returns and characters that turn the line around are written out."""
    text = (
        pod("", name='"a\\e[31mb\\r\\u202ec"')
        .replace("r.example/a", "x\\e[2J")
        .replace("image: ", 'image: "')
        .replace("}]", '"}]')
    )
    shown = run(verb, text).stdout
    assert "a\\u{1b}[31mb\\u{d}\\u{202e}c" in shown
    assert not re.search("[\x1b\r\u202e]", shown)


def test_what_has_no_name_yet_has_the_beginning_of_one() -> None:
    """As in `check`: otherwise two of them look the same."""
    assert "Pod clinic/early-  " in run("explain", pod("").replace("name: p", "generateName: early-")).stdout


@pytest.mark.parametrize(("verb", "says"), [("check", "valid ones"), ("explain", "these are rules")])
def test_rules_alone_are_valid_and_said_to_be_rules(verb: str, says: str) -> None:
    """Whoever checks a law alone hears that it was read, instead of nothing."""
    shown = CliRunner().invoke(command, [verb, str(QUICKSTART / "rules")])
    assert (shown.exit_code, says in shown.stdout) == (0, True)


@given(WORDS, st.integers(0, 6), st.integers(20, 120), st.integers(0, 14))
def test_a_folded_line_says_the_same(text: str, indent: int, width: int, hang: int) -> None:
    """Word for word, no wider than the terminal but for a word that is, and in line with where it began."""
    lines = list(folded([" " * indent + text], width, hang))
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)
    assert lines[0].startswith(" " * indent) and all(line.startswith(" " * (indent + hang)) for line in lines[1:])
    assert list(folded([text], None)) == [text]


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5), st.integers(30, 200))
def test_a_folded_table_says_the_same(rows: list[tuple[str, str, str]], width: int) -> None:
    """Every word of every cell is there; in a pipe each row is one line."""
    lines = list(columns(rows, within=width))
    assert sorted(" ".join(lines).split()) == sorted(" ".join(" ".join(row) for row in rows).split())
    assert len(list(columns(rows))) == len(rows)


def test_a_table_fits_where_it_can() -> None:
    """The widest columns give way, the first one never."""
    rows = [("PLACE", "OPERATED BY", "WHY"), ("aws.eu-central-1", "one two three " * 6, "four five six " * 6)]
    assert max(map(len, columns(rows, within=80))) <= 80
    assert next(iter(columns(rows, within=80))).startswith("PLACE             OPERATED BY")


def test_a_cluster_that_nobody_describes_is_said_to_be_none(tmp_path: Path) -> None:
    """Whoever gives a jurisdiction and no ClusterProfile hears what is missing, instead of looking for a wish."""
    (tmp_path / "eu.yaml").write_text(
        "apiVersion: bailiwick.dev/v1alpha1\nkind: Jurisdiction\nmetadata: {name: eu}\n"
        "spec: {locatedIn: {sets: [EU]}}\n"
    )
    words = ["check", "-", "--rules", tmp_path / "eu.yaml", "--cluster", QUICKSTART / "cluster"]
    shown = CliRunner().invoke(command, list(map(str, words)), input=pod("")).stdout
    assert "`eu` admits no place of this cluster, for no ClusterProfile declares any" in shown


def at_a_terminal(*words: str | Path, columns: int = 80, code: str = "", **environment: str) -> str:
    """What somebody sees whose terminal is so wide, standard error included."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    run = [sys.executable, *(("-c", code) if code else ("-m", "bailiwick", *map(str, words)))]
    variables = {key: said for key, said in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "TERM")}
    with subprocess.Popen(
        run, stdout=follower, stderr=follower, stdin=follower, env={**variables, "TERM": "xterm", **environment}
    ):
        os.close(follower)
        seen = b""
        with suppress(OSError):  # the other end is gone
            while read := os.read(leader, 1 << 16):
                seen += read
    os.close(leader)
    return seen.decode().replace("\r\n", "\n")


def test_a_narrow_terminal_and_one_without_colours() -> None:
    """Lines fold at words where they fit; colours are there for who sees them, and not where NO_COLOR asks."""
    manifest = QUICKSTART / "manifests" / "20-vllm-deployment.yaml"
    shown = at_a_terminal("check", manifest, *GIVEN)
    assert "\x1b[1;31mdenied" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert all(len(line) <= 80 for line in plain if "Deployment" not in line)
    assert "\x1b[1;31m" not in at_a_terminal("check", manifest, *GIVEN, NO_COLOR="1")
    table = at_a_terminal("regions", "frankfurt", columns=100).splitlines()
    assert max(map(len, table)) <= 100


def test_who_waits_is_told_what_for() -> None:
    """After a moment, and only at a terminal: a pipe gets nothing."""
    code = "import time\nfrom policies.verbs.waiting import waiting\nwith waiting('reading', {}): time.sleep(0.5)\n"
    assert "reading" in at_a_terminal(code=code.format(0.1))
    assert "reading" not in at_a_terminal(code=code.format(5.0))
    piped = subprocess.run([sys.executable, "-c", code.format(0.0)], capture_output=True, check=True)
    assert (piped.stdout, piped.stderr) == (b"", b"")


@pytest.mark.parametrize("day", ["tomorrow", "2027-02-30", "31.12.2027"])
def test_a_day_that_is_none(day: str) -> None:
    """The mistake is told with a day as it is written."""
    shown = CliRunner().invoke(command, ["transfers", "--rules", str(QUICKSTART / "rules"), "--on", day])
    assert (shown.exit_code, "write it like 2027-01-31" in shown.output) == (2, True)


def test_nothing_to_look_through_is_a_mistake() -> None:
    """A pipeline whose first half failed hears of it, instead of learning that nothing relies on anything."""
    shown = CliRunner().invoke(command, ["transfers", "-", "--rules", str(QUICKSTART / "rules")], input="")
    assert (shown.exit_code, "nothing to look through" in shown.output) == (2, True)
