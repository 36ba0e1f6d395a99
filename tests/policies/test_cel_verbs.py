"""`bailiwick cel`: what it shows, where, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bailiwick import command
from policies.cel.conformance import difference
from policies.cel.tagged import same, tagged
from policies.cel.values import Duration, Optional, Timestamp, UInt
from policies.verbs import cel_second
from policies.verbs.cel_conformance import FileUnreadable, load_cases
from policies.verbs.cel_evaluate import Evaluated
from policies.verbs.cel_second import Opinion
from policies.verbs.cel_shown import plain, text

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "kubernetes-cel"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, ["cel", *map(str, arguments)], input=stdin, catch_exceptions=False)


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump(POD))
    return path


def test_eval_shows_value_type_and_cost(pod: Path) -> None:
    """The value is written as CEL, with its type and what it cost."""
    done = run("eval", "object.spec.containers.map(c, c.name)", "--object", pod)
    assert done.exit_code == 0
    assert [line.split(None, 1) for line in done.stdout.splitlines()] == [
        ["value", '["c"]'],
        ["type", "list(dyn)"],
        ["cost", "18"],
    ]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_eval_for_programs(pod: Path, output: str) -> None:
    """JSON and YAML hold the same: value, type and cost."""
    done = run("eval", "object.metadata.name", "--object", pod, "-o", output)
    read = json.loads(done.stdout) if output == "json" else yaml.safe_load(done.stdout)
    assert read == {"value": "p", "type": "dyn", "cost": 3}


def test_eval_failing_at_run_time() -> None:
    """An evaluation error ends with 1, says what is missing on standard error, and still tells the cost."""
    done = run("eval", "request.name == 'x'")
    assert done.exit_code == 1
    assert done.stderr == "error: no such key: name\nhint: give `request` with --request FILE\n"
    assert "cost" in done.stdout and "value" not in done.stdout


def test_eval_that_does_not_compile() -> None:
    """A compile error ends with 2 and points into the source with a caret and a hint."""
    done = run("eval", "1 == 1 && objct.spec")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: 1:11: undeclared reference to 'objct' (in container '')",
        " | 1 == 1 && objct.spec",
        " | ..........^",
        "hint: did you mean `object`?",
    ]


def test_problems_for_programs() -> None:
    """All problems of a source come with line and column."""
    done = run("eval", "nope +\nnever", "-o", "json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)["problems"]
    assert [(one["line"], one["column"]) for one in found] == [(1, 1), (2, 1)]


def test_every_input_has_its_option(tmp_path: Path) -> None:
    """Each variable is given by an option; a review stands for its request; what isn't given is null."""
    files = {}
    for name in ("object", "old-object", "params", "namespace-object"):
        files[name] = tmp_path / name
        files[name].write_text(json.dumps({"n": name}))
    review = tmp_path / "review"
    review.write_text(json.dumps({"kind": "AdmissionReview", "request": {"operation": "UPDATE"}}))
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    names = "[object.n, oldObject.n, params.n, dyn(namespaceObject).n, dyn(request.operation)]"
    done = run("eval", names, *options, "--request", review, "-o", "json")
    assert json.loads(done.stdout)["value"] == [*files, "UPDATE"]
    assert run("eval", "oldObject == null && params == null").exit_code == 0


def test_standard_input(pod: Path) -> None:
    """A dash reads standard input."""
    assert '"p"' in run("eval", "object.metadata.name", "--object", "-", stdin=pod.read_text()).stdout


@pytest.mark.parametrize("content", ["a: [", "- 1", "{}\n---\n{}\n", ""])
def test_unreadable_input(tmp_path: Path, content: str) -> None:
    """What isn't exactly one object ends with 2, and the file is named."""
    path = tmp_path / "f.yaml"
    path.write_text(content)
    done = run("eval", "object", "--object", path)
    assert done.exit_code == 2 and "f.yaml" in done.stderr


def test_versions_differ() -> None:
    """A library is there from the version on that brought it."""
    assert run("eval", "semver('1.2.3').major()", "--kubernetes", "1.32").exit_code == 2
    assert run("eval", "semver('1.2.3').major()", "--kubernetes", "1.33").exit_code == 0


def test_constructions_need_a_mutation() -> None:
    """`Object{}` is only known where a mutating policy would be."""
    source = "Object{spec: Object.spec{replicas: 1}}"
    assert run("eval", source).exit_code == 2
    done = run("eval", source, "--mutating", "-o", "json")
    assert json.loads(done.stdout)["value"] == {"spec": {"replicas": 1}}


def test_second_opinion(pod: Path) -> None:
    """Both answers stand side by side, with whether they agree."""
    pytest.importorskip("celpy", reason="the extra `second-opinion` isn't installed")
    done = run("eval", "string(false)", "--second-opinion", "-o", "json")
    opinion = json.loads(done.stdout)["secondOpinion"]
    assert opinion == {"engine": "cel-python", "value": "False", "agreed": False}
    table = run("eval", "has(object.spec)", "--object", pod, "--second-opinion").stdout
    assert "cel-python  true" in table and "agreed      yes" in table
    rejected = run("eval", "object.?spec.hasValue()", "--object", pod, "--second-opinion").stdout
    assert "error: can't parse it, at 1:8" in rejected


def test_agreement_is_about_values_and_failures() -> None:
    """Two errors agree whatever their words; a value never agrees with an error, nor 1 with true."""
    assert Evaluated("int", 1, error="x", second=Opinion(error="y")).agreed
    assert not Evaluated("int", 1, 1, second=Opinion(error="y")).agreed
    assert not Evaluated("int", 1, 1, second=Opinion(True)).agreed
    assert Evaluated("int", 1, 1).agreed is None


def test_unavailable_says_how_to_get_it() -> None:
    """Without the extra the command names it; nothing else of it is needed."""
    assert "second-opinion" in cel_second.Unavailable.hint


VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.integers(0, 2**64 - 1).map(UInt)
    | st.integers(-(2**62), 2**62).map(Duration)
    | st.integers(0, 2**60).map(Timestamp),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | inner.map(Optional),
    max_leaves=8,
)


@given(VALUES)
def test_every_value_can_be_shown(value: Any) -> None:
    """Every value has a text, a JSON form, and a tagged form that equals itself."""
    assert text(value)
    json.dumps(plain(value))
    assert same(tagged(value), json.loads(json.dumps(tagged(value))))


@given(VALUES, VALUES)
def test_tags_keep_kinds_apart(one: Any, other: Any) -> None:
    """Values of different kinds are never the same."""
    if tagged(one)["t"] != tagged(other)["t"]:
        assert not same(tagged(one), tagged(other))


def conformance_file(folder: Path, *lines: object) -> Path:
    (folder / "variables.json").write_text(json.dumps({"object": {"a": 1, "m": {"x": 1, "y": 2}}}))
    path = folder / "cases.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


ONE = {"t": "int", "v": "1"}


def test_conformance_agrees(tmp_path: Path) -> None:
    """When everything agrees, that is what is said, and the end is 0; the cost of another map order is right, too."""
    path = conformance_file(
        tmp_path,
        {"expr": "object.a", "val": ONE, "type": "dyn", "cost": 2},
        {"expr": "object.b", "err": "no such key: b", "type": "dyn", "cost": 2},
        {"expr": "nope", "compile_err": "undeclared"},
        {"expr": "object.m.exists(k, k == 'y')", "val": {"t": "bool", "v": True}, "type": "bool", "cost": 12},
    )
    done = run("conformance", path)
    assert (done.exit_code, done.stdout) == (0, "agree 4 of 4\n")


@pytest.mark.parametrize(
    ("theirs", "what"),
    [
        ({"compile_err": "x"}, "rejection"),
        ({"err": "x", "type": "dyn", "cost": 2}, "error"),
        ({"val": ONE, "type": "int", "cost": 2}, "type"),
        ({"val": {"t": "uint", "v": "1"}, "type": "dyn", "cost": 2}, "value"),
        ({"val": ONE, "type": "dyn", "cost": 3}, "cost"),
    ],
)
def test_conformance_disagrees(tmp_path: Path, theirs: dict[str, Any], what: str) -> None:
    """Every kind of difference is found, shown with both answers, and ends with 1."""
    agreeing = {"expr": "object.a", "val": ONE, "type": "dyn", "cost": 2}
    done = run("conformance", conformance_file(tmp_path, agreeing, {"expr": "object.a", **theirs}))
    assert done.exit_code == 1
    assert f"cases.jsonl:2: {what} differs: object.a" in done.stdout
    assert done.stdout.endswith("agree 1 of 2\n")


def test_a_crash_there_takes_anything_but_a_value() -> None:
    """Where the API server's evaluation broke off, an error agrees and a value doesn't."""
    crash = {"err": "PANIC runtime error"}
    assert difference({"err": "x", "type": "dyn", "cost": 1}, crash) == ""
    assert difference({"val": ONE, "type": "dyn", "cost": 1}, crash) == "error"


def test_the_listing_is_limited(tmp_path: Path) -> None:
    """Only the first disagreements are listed; all are counted."""
    wrong = {"expr": "object.a", "compile_err": "x"}
    done = run("conformance", conformance_file(tmp_path, *[wrong] * 5), "--show", "2")
    assert done.stdout.count("differs") == 2
    assert "agree 0 of 5" in done.stdout


@pytest.mark.parametrize("line", ["{", "[]", '{"expr": 1}', '{"expr": "1"}'])
def test_unusable_files(tmp_path: Path, line: str) -> None:
    """A line that is no case is named with its number, and the end is 2."""
    path = conformance_file(tmp_path)
    path.write_text("\n" + line + "\n")
    with pytest.raises(FileUnreadable, match=r":2: "):
        load_cases(path)
    assert run("conformance", path).exit_code == 2
    assert run("conformance", tmp_path / "absent").exit_code == 2


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus kubernetes-cel is not beside the checkout")
def test_published_answers() -> None:
    """An API server's published answers are ours, too: values, errors, rejections, types and costs."""
    done = run("conformance", CORPUS / "library.jsonl")
    assert done.exit_code == 0, done.stdout
    count, total = done.stdout.removeprefix("agree ").split(" of ")
    assert int(count) == int(total) > 10_000
