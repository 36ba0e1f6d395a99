"""What the command says of mistakes: it names what is wrong, where it lies, and what to do, and nothing beside it."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bailiwick import command

ROOT = Path(__file__).parents[1]
BROWSERS_FILE = b"\x89PNG\r\n\x1a\n\0\0{{ no template \xff"
QUICKSTART = ROOT / "examples" / "quickstart"
SHAPED = """
apiVersion: example.com/v1
kind: ClusterRunner
metadata: {name: a}
spec: {template: {spec: {containers: [{name: a, image: busybox}]}}}
"""


def said(*arguments: str, code: int = 2) -> str:
    """Both streams of the command as it is installed."""
    done = subprocess.run(
        [sys.executable, "-m", "bailiwick", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done
    return done.stdout + done.stderr


def test_rules_given_as_regions() -> None:
    """A file of several documents is no data about regions, and the line where the second begins is named."""
    file = QUICKSTART / "rules" / "eu.yaml"
    second = file.read_text().splitlines().index("---", 10) + 1
    told = said("check", str(QUICKSTART), "--regions", str(file))
    named = re.search(r"eu\.yaml:(\d+): a second document begins here: data about regions is one document", told)
    assert named is not None, told
    assert int(named[1]) in (second, second + 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "no such file"), (BROWSERS_FILE, "can't decode"), (b"a: [", "parsing"), (b"a: b", "Invalid")],
)
def test_a_kubeconfig_that_is_none(tmp_path: Path, content: bytes | None, why: str) -> None:
    """The file is named with what is wrong with it, on one line."""
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_bytes(content)
    told = said("nodes", "--kubeconfig", str(file), "--rules", str(QUICKSTART / "rules"))
    first, hint = told.splitlines()
    assert first.startswith(f"error: no way to the cluster: kubeconfig `{file}`: ")
    assert why in first
    assert "kubeconfig" in hint


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A picture isn't taken for a template of Helm's, whatever its bytes spell."""
    file = tmp_path / "picture.png"
    file.write_bytes(BROWSERS_FILE)
    told = said("check", str(file))
    assert f"{file}:1: the text is not UTF-8" in told
    assert "fix: name files of YAML or JSON" in told
    assert "template" not in told


@pytest.mark.parametrize(
    ("text", "hint"),
    [("kind: Pod\nmetadata: {name: a}\n", "add it, or"), ("metadata: {name: a}\n", "add them, or")],
)
def test_an_object_without_its_kind(tmp_path: Path, text: str, hint: str) -> None:
    """Who left out `apiVersion` or `kind` is told to add it."""
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert f"fix: {hint} move what is no manifest elsewhere" in said("check", str(file))


def test_a_path_that_leads_nowhere_has_no_line(tmp_path: Path) -> None:
    """No line is named where there is none."""
    gone = str(tmp_path / "gone.yaml")
    transfers = ("transfers", gone, "--rules", str(QUICKSTART / "rules"))
    for told in (said("check", gone), said("explain", gone), said(*transfers)):
        assert f"{gone}: can't be read: no such file or directory" in told


def test_a_namespace_that_is_a_guess_is_called_one(tmp_path: Path) -> None:
    """Of a kind that nobody knows it isn't known whether it has namespaces; a namespace that is named is no guess."""
    file = tmp_path / "a.yaml"
    guess = "judged as if in namespace `default`: whether this kind has namespaces is not known"
    file.write_text(SHAPED)
    done = CliRunner().invoke(command, ["check", str(file), "--rules", str(QUICKSTART / "rules")])
    assert guess in done.output
    for known in (
        SHAPED.replace("{name: a}\n", "{name: a, namespace: clinic}\n"),
        SHAPED.replace("example.com/v1", "apps/v1").replace("ClusterRunner", "Deployment"),
    ):
        file.write_text(known)
        assert "judged as if" not in CliRunner().invoke(command, ["check", str(file)]).output


def groups(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    context = click.Context(group)
    found = [path]
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        if isinstance(verb, click.Group):
            found += groups(verb, (*path, name))
    return found


@pytest.mark.parametrize("path", groups(command))
def test_no_help_ends_in_mid_sentence(path: tuple[str, ...]) -> None:
    """The list of verbs of each group says of each what it does, in whole words of 80 columns."""
    shown = CliRunner().invoke(command, [*path, "--help"], terminal_width=80).output
    assert "Commands:" in shown
    assert "..." not in shown.partition("Commands:")[2]
    assert max(map(len, shown.splitlines())) <= 80


def test_a_folder_that_is_no_log(tmp_path: Path) -> None:
    """Nobody is asked for a key to verify a log that isn't there."""
    for verb in (("verify", str(tmp_path)), ("prove", str(tmp_path), "0"), ("query", str(tmp_path))):
        told = said("audit", *verb)
        assert f"no log in `{tmp_path}`: give its directory, or the state directory that holds it" in told
        assert "--key" not in told


def test_a_mirror_of_an_address_of_another_sort(tmp_path: Path) -> None:
    """The scheme is what is wrong, before any key is asked for."""
    told = said("audit", "mirror", "ftp://log.example", str(tmp_path / "copy"))
    assert "`ftp://log.example` is no address: expected http://, https:// or postgres://" in told
    assert "no key" not in told
