"""The command: exit codes, errors with a hint, help that is executed, and a start that imports little."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from audit.exports.text import INVISIBLE
from audit.verbs.written import written
from bailiwick import command
from keymgmt.verbs.written import written as keys_written

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "examples" / "quickstart"


def bailiwick(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "bailiwick", *arguments]
    return subprocess.run(
        words,
        check=False,
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def test_version_and_help_answer_at_once():
    """--version and --help name the program and its commands, and exit with 0."""
    assert bailiwick("--version").stdout.startswith("bailiwick, version ")
    shown = bailiwick("--help")
    assert shown.returncode == 0
    for verb in ("check", "explain", "regions", "serve", "demo", "doctor", "audit", "completion"):
        assert f"  {verb} " in shown.stdout


def verbs(verb: click.Command = command, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of every verb that does something."""
    context = click.Context(verb, info_name=path[-1] if path else "bailiwick")
    if not isinstance(verb, click.Group) or verb.invoke_without_command:
        yield path
    if isinstance(verb, click.Group):
        for name in verb.list_commands(context):
            found = verb.get_command(context, name)
            assert found is not None
            yield from verbs(found, *path, name)


VERBS = [*verbs()]


def examples(shown: str) -> list[list[str]]:
    """The words after `bailiwick` of each example of a help text."""
    lines = shown.replace("\\\n", "").splitlines()
    called = [line[line.index("bailiwick ") :] for line in lines if re.match(r" +(\w[^`]*\| )?bailiwick ", line)]
    return [shlex.split(re.split(r" [|>] ", line)[0])[1:] for line in called]


def parsed(words: list[str], verb: click.Command = command) -> tuple[click.Command, Mapping[str, Any], list[str]]:
    """The verb that is meant, what it is given, and what it doesn't know. Nothing is looked for on a disk."""
    context = click.Context(verb)
    known, rest, _ = verb.make_parser(context).parse_args(words)
    if isinstance(verb, click.Group) and rest:
        meant = verb.get_command(context, rest[0])
        assert meant is not None, rest
        return parsed(rest[1:], meant)
    return verb, known, rest


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_explains_itself_by_an_example(path: tuple[str, ...]) -> None:
    """Each verb has a help text with an example, which has what the verb needs and nothing that it doesn't know."""
    shown = CliRunner().invoke(command, [*path, "--help"], prog_name="bailiwick").stdout
    assert shown.startswith("Usage: bailiwick " + " ".join(path))
    assert all(len(line) <= 80 for line in shown.splitlines())
    found = examples(shown)
    assert found
    for words in found:
        verb, known, rest = parsed(words)
        assert rest == []
        for wanted in verb.params:
            assert not wanted.required or known.get(wanted.name), wanted.name


def test_a_start_imports_nothing_heavy():
    """What takes long to import isn't imported before a verb needs it."""
    heavy = "pydantic fastapi rich kubernetes yaml cryptography re2"
    program = f"import bailiwick, sys; print([name for name in '{heavy}'.split() if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chekc"], "did you mean `check`"),
        (["replay"], "did you mean `audit replay`"),
        (["serve", "--port", "99999"], "Invalid value for '--port'"),
        (["serve", "--probes-port", "-1"], "Invalid value for '--probes-port'"),
        (["serve", "--linger", "-1"], "Invalid value for '--linger'"),
        (["serve", "--shard-records", "-1"], "Invalid value for '--shard-records'"),
        (["check"], "Missing argument"),
        (["check", "--no-such"], "No such option"),
        (["regions", "eu-centrl-1"], "did you mean `eu-central-1`"),
        (["audit", "verify", "no-such-folder"], "does not exist"),
    ],
)
def test_a_mistake_is_told_with_exit_code_2_and_no_stack_trace(arguments, says):
    """A user's mistake says what is wrong and what to do next."""
    shown = bailiwick(*arguments)
    assert shown.returncode == 2
    assert says in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("group", [(), ("audit",)])
def test_without_a_verb_the_verbs_are_shown(group: tuple[str, ...]) -> None:
    """Nobody made a mistake that would have to be told as one; a script still sees that nothing was done."""
    shown = bailiwick(*group)
    assert (shown.returncode, shown.stderr.startswith("Usage: bailiwick")) == (2, True)
    assert "hint:" not in shown.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell):
    """The script for each shell names the command."""
    shown = bailiwick("completion", shell)
    assert shown.returncode == 0
    assert "_BAILIWICK_COMPLETE" in shown.stdout


def test_completion_completes_verbs():
    """What the shell's script asks for is answered with the verbs."""
    shown = bailiwick(COMP_WORDS="bailiwick che", COMP_CWORD="1", _BAILIWICK_COMPLETE="bash_complete")
    assert "check" in shown.stdout


def test_check_judges_the_quickstart_and_exits_with_1():
    """The example holds refusals, so the exit code is 1; every format tells the same cases."""
    table = bailiwick("check", str(QUICKSTART))
    as_json = bailiwick("check", str(QUICKSTART), "-o", "json")
    as_yaml = bailiwick("check", str(QUICKSTART), "-o", "yaml")
    assert {shown.returncode for shown in (table, as_json, as_yaml)} == {1}
    report = json.loads(as_json.stdout)
    assert report == yaml.safe_load(as_yaml.stdout)
    outcomes = {case["name"]: case["outcome"] for case in report["cases"]}
    assert outcomes["vllm-mistral"] == "mutated"
    assert outcomes["vllm-llama"] == "denied"
    assert outcomes["triage"] == "allowed"
    for case in report["cases"]:
        assert f"{case['kind']} {case['namespace'] + '/' if case['namespace'] else ''}{case['name']}" in table.stdout


def test_check_exits_with_0_when_everything_holds():
    """Nothing denied, nothing undetermined: 0."""
    manifest = (QUICKSTART / "manifests" / "30-kserve-inferenceservice.yaml").read_text()
    shown = bailiwick(
        "check", "-", "--rules", str(QUICKSTART / "rules"), "--cluster", str(QUICKSTART / "cluster"), stdin=manifest
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("allowed")


def test_an_unreadable_document_is_reported_and_the_rest_is_judged():
    """File and line of what can't be read, exit code 2, and the documents around it are judged."""
    good = (QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text()
    text = f"{good}---\nkind: [unclosed\n---\n{good.replace('vllm-mistral', 'second')}"
    shown = bailiwick(
        "check", "-", "--rules", str(QUICKSTART), "--cluster", str(QUICKSTART / "cluster"), "-o", "json", stdin=text
    )
    report = json.loads(shown.stdout)
    assert shown.returncode == 2
    assert [case["name"] for case in report["cases"]] == ["vllm-mistral", "second"]
    [unreadable] = report["unreadable"]
    assert unreadable["source"] == "-"
    assert len(good.splitlines()) < unreadable["line"] <= len(good.splitlines()) + 3


def test_a_list_is_judged_item_by_item():
    """What `kubectl get -o json` prints is read as the objects it holds."""
    pod = yaml.safe_load((QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text())
    found = json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod, pod]})
    shown = bailiwick(
        "check", "-", "--rules", str(QUICKSTART), "--cluster", str(QUICKSTART / "cluster"), "-o", "json", stdin=found
    )
    assert [case["outcome"] for case in json.loads(shown.stdout)["cases"]] == ["mutated", "mutated"]


def test_what_the_snapshot_does_not_know_is_undetermined():
    """Without the namespace nobody can tell the class: a finding of its own kind, exit code 1."""
    manifest = (QUICKSTART / "manifests" / "10-vllm-pod.yaml").read_text()
    shown = bailiwick("check", "-", "--rules", str(QUICKSTART / "rules"), "-o", "json", stdin=manifest)
    [case] = json.loads(shown.stdout)["cases"]
    assert (shown.returncode, case["outcome"]) == (1, "undetermined")
    assert "Namespace `clinic`" in case["reasons"][0]["message"]


def test_a_reason_points_at_the_line():
    """The path in the object is shown as the line in the file."""
    manifest = QUICKSTART / "manifests" / "20-vllm-deployment.yaml"
    shown = bailiwick(
        "check", str(manifest), "--rules", str(QUICKSTART), "--cluster", str(QUICKSTART / "cluster"), "-o", "json"
    )
    lines = manifest.read_text().splitlines()
    reasons = json.loads(shown.stdout)["cases"][0]["reasons"]
    assert {reason["code"]: lines[reason["line"] - 1].strip().split(":")[0] for reason in reasons} == {
        "model-not-pinned": "args",
        "image-not-pinned": "image",
    }


def test_rules_that_do_not_compile_are_refused_with_all_their_problems(tmp_path):
    """Two mistakes, both reported with file and line or field, exit code 2, and nothing is judged."""
    (tmp_path / "a.yaml").write_text(
        "apiVersion: bailiwick.dev/v1alpha1\nkind: Jurisdiction\nmetadata: {name: eu}\n"
        "spec:\n  locatedn: {sets: [EU]}\n"
    )
    shown = bailiwick("check", str(QUICKSTART / "manifests"), "--rules", str(tmp_path))
    assert shown.returncode == 2
    assert "a.yaml:5" in shown.stderr
    assert "locatedIn" in shown.stderr
    assert "hint:" in shown.stderr


def test_the_samples_of_the_field_are_all_judged_or_named():
    """Every manifest of the projects' own examples is judged, or reported as unreadable or of an unknown kind."""
    samples = ROOT.parent / "shared" / "corpora" / "workload-samples"
    if not samples.is_dir():
        pytest.skip("the corpus of workload samples is not beside this checkout")
    files = {str(path) for path in samples.rglob("*") if path.suffix in (".yaml", ".yml", ".json")}
    shown = bailiwick("check", str(samples), "--rules", str(QUICKSTART / "rules"), "-o", "json")
    report = json.loads(shown.stdout)
    told = {found["source"] for found in (*report["cases"], *report["unreadable"])}
    assert files - told == set()
    codes = {reason["code"] for case in report["cases"] for reason in case["reasons"]}
    assert not codes & {"internal-fault", "too-complex", "evaluation-error"}


def test_doctor_looks_and_tells(tmp_path):
    """All is well with the quickstart's rules and a fresh state; broken rules are found, and exit with 1."""
    shown = bailiwick("doctor", "--rules", str(QUICKSTART / "rules"), "--state", str(tmp_path), "-o", "json")
    health = {row["subject"]: row["health"] for row in json.loads(shown.stdout)}
    assert shown.returncode == 0
    assert health["rules"] == "good"
    assert "objects are read by Python" in shown.stdout
    assert health["tls"] == "good"
    assert health["types"] == "good"
    (tmp_path / "bad.yaml").write_text("apiVersion: bailiwick.dev/v1alpha1\nkind: Jurisdicton\nmetadata: {name: x}\n")
    broken = bailiwick("doctor", "--rules", str(tmp_path / "bad.yaml"), "--state", str(tmp_path))
    assert broken.returncode == 1
    assert "Jurisdiction" in broken.stdout


def test_doctor_changes_nothing_and_goes_on_without_a_cluster(tmp_path: Path) -> None:
    """A state directory that isn't there is not made; a kubeconfig that is none is one finding among the others."""
    config, state = tmp_path / "config", tmp_path / "deep" / "state"
    config.write_text("a: 1\n---\nb: 2\n")
    shown = bailiwick("doctor", "--kubeconfig", str(config), "--state", str(state), "-o", "json")
    findings = {found["subject"]: found for found in json.loads(shown.stdout)}
    assert (shown.returncode, findings["cluster"]["health"], findings["tls"]["health"]) == (1, "broken", "good")
    assert "kubeconfig" in findings["cluster"]["hint"]
    assert not state.parent.exists()


def test_nothing_to_judge() -> None:
    """Empty standard input is a mistake of whatever should have written it, not a success."""
    done = bailiwick("check", "-", stdin="")
    assert done.returncode == 2
    assert "nothing to judge in standard input" in done.stderr


def test_doctor_misses_jurisdictions(tmp_path: Path) -> None:
    """Rules without a jurisdiction and a profile compile, and the doctor says what they can't do."""
    done = bailiwick("doctor", "--state", str(tmp_path), "-o", "json")
    findings = {found["subject"]: found for found in json.loads(done.stdout)}
    assert (findings["Jurisdiction"]["health"], findings["ClusterProfile"]["health"]) == ("warning", "warning")
    assert done.returncode == 0


def options() -> Iterator[tuple[tuple[str, ...], click.Option]]:
    """Every option that has one value, with its verb."""
    for path in VERBS:
        verb, _, _ = parsed(list(path))
        for option in verb.params:
            is_flag = isinstance(option, click.Option) and option.is_flag and not option.secondary_opts
            if isinstance(option, click.Option) and not (option.multiple or option.count or is_flag):
                yield path, option


def test_a_value_given_twice_is_refused() -> None:
    """Any option of one value, of any verb, by any of its names: given twice it is refused, and nothing is done."""
    found = list(options())
    assert len(found) > 200
    for path, option in found:
        first, last = option.opts[0], (option.opts + option.secondary_opts)[-1]
        words = [first, last] if option.is_flag else [first, "1", last, "2"]
        shown = CliRunner().invoke(command, [*path, *words], prog_name="bailiwick", standalone_mode=False)
        assert isinstance(shown.exception, click.UsageError), (path, words)
        assert "given more than once" in str(shown.exception), (path, words, shown.exception)


def test_a_value_given_twice_is_told_with_its_verb() -> None:
    """The message names the option, the exit code is 2, and nothing is written."""
    shown = bailiwick("audit", "export", "no-such", "--csv", "a.csv", "--csv=b.csv")
    assert shown.returncode == 2
    assert shown.stderr.splitlines() == [
        "error: `--csv` is given more than once, and takes one value",
        "hint: give `--csv` once: which of them is meant?",
    ]


def test_what_may_be_given_often_still_may() -> None:
    """Options of many values, and flags, aren't refused when they stand there again; nor is help."""
    shown = bailiwick("audit", "query", "no-such", "--kind", "Pod", "--kind", "Secret", "--count", "--count")
    assert "more than once" not in shown.stderr
    assert bailiwick("audit", "export", "--csv", "a", "--csv", "b", "--help").returncode == 0


EVIL = "x\x1b[2J\x7f\x9b31m\u202e\u2066\u200b\ufeff\u2028\U000e0041y"
WRITERS = {"audit/verbs/written.py", "keymgmt/verbs/written.py"}


def steers(shown: str) -> list[str]:
    """What in a text moves, colours, turns or hides something on a terminal."""
    return INVISIBLE.findall(shown.replace("\n", ""))


@pytest.mark.parametrize("output", ["json", "yaml"])
@pytest.mark.parametrize("write", [written, keys_written], ids=["audit", "keys"])
def test_what_programs_read_steers_no_terminal(write: Callable[[Any, str], str], output: str) -> None:
    """Controls, bidirectional and invisible characters are escapes in JSON and YAML, and programs read them again."""
    value = {EVIL: [EVIL, "ordinary", "größer", {"deep": f"{EVIL}\n{EVIL}"}], "none": None, "size": 7}
    shown = write(value, output)
    assert steers(shown) == []
    assert (json.loads if output == "json" else yaml.safe_load)(shown) == value


def test_letters_of_every_script_stay_letters() -> None:
    """Nothing is escaped that can be read."""
    assert '"größer 日本 עברית"' in written({"a": "größer 日本 עברית"}, "json")
    assert "größer 日本 עברית" in written({"a": "größer 日本 עברית"}, "yaml")


def test_nobody_else_writes_json_to_a_terminal() -> None:
    """In the verbs, JSON and YAML are made in one place, or pass through it, or go into a file."""
    for path in sorted(ROOT.glob("*/verbs/*.py")):
        if str(path.relative_to(ROOT)) in WRITERS:
            continue
        for line in path.read_text().splitlines():
            makes = re.search(r"\b(?:orjson|json)\.dumps\(|\byaml\.(?:safe_)?dump", line)
            assert not makes or "json_text(" in line or "write_bytes(" in line or "list(resources)" in line, (
                path,
                line,
            )


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_hostile_names_in_manifests_steer_no_terminal(tmp_path: Path, output: str) -> None:
    """`check` and `explain` of a manifest with hostile names print escapes, and the names are read from them again."""
    (tmp_path / "pod.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": EVIL, "namespace": "a"}, "spec": {}})
    )
    for verb in ("check", "explain"):
        shown = bailiwick(verb, str(tmp_path), "-o", output)
        assert steers(shown.stdout) == [], shown.stdout
        read = (json.loads if output == "json" else yaml.safe_load)(shown.stdout)
        assert any(EVIL in text for text in _texts(read)), read


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for held in value.values() for text in _texts(held))
    elif isinstance(value, list):
        yield from (text for held in value for text in _texts(held))
