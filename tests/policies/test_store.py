"""Files, folders and standard input: everything that is there is read once or named, and nothing stops the rest."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from policies.kinds import DataClass, SovereigntyPolicy
from policies.manifests import Document, Unreadable
from policies.store import MOST_BYTES, load_documents, load_kinds

PACKS = Path(__file__).parents[2] / "policies" / "packs"


def write(folder: Path, **files: str) -> None:
    """Write objects of these names; `__` divides folders and `_yaml` stands for `.yaml`."""
    for name, text in files.items():
        path = folder / (
            name.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json").replace("_yml", ".yml")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def config(name: str) -> str:
    """A small object."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


def data_class(name: str, rank: int = 1) -> str:
    """A small object of ours."""
    return f"apiVersion: bailiwick.dev/v1alpha1\nkind: DataClass\nmetadata:\n  name: {name}\nspec: {{rank: {rank}}}\n"


def told(*paths: Path | str) -> list[str]:
    """The names of the objects in these places, and the messages about what is none."""
    found = load_documents([str(path) for path in paths])
    return [one.value["metadata"]["name"] if isinstance(one, Document) else one.message for one in found]


def problem(*paths: Path | str) -> Unreadable:
    """The only problem in these places."""
    (found,) = (one for one in load_documents([str(path) for path in paths]) if isinstance(one, Unreadable))
    return found


def test_folders(tmp_path: Path) -> None:
    """A folder is walked to its end in the order of names, for YAML and JSON; hidden and other files are left alone."""
    write(
        tmp_path,
        b_yaml=config("b"),
        a_yml=config("a"),
        c__z_yaml=config("z"),
        c__y_json='{"apiVersion": "v1", "kind": "X", "metadata": {"name": "y"}}',
    )
    write(tmp_path, notes="not: [yaml", a__inner_yaml=config("inner"))
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git", x_yaml="not: [yaml")
    assert told(tmp_path) == ["inner", "a", "b", "y", "z"]


def test_named_files(tmp_path: Path) -> None:
    """A file that is named is read whatever it is called; places that overlap are read once."""
    write(tmp_path, a_yaml=config("a"), plain=config("plain"))
    assert told(tmp_path / "plain", tmp_path, tmp_path / "a.yaml", tmp_path) == ["plain", "a"]


def test_standard_input() -> None:
    """`-` is standard input."""
    (found,) = load_documents(["-"], io.BytesIO(config("piped").encode()))
    assert isinstance(found, Document)
    assert (found.source, found.value["kind"]) == ("-", "ConfigMap")


def test_pipes(tmp_path: Path) -> None:
    """A pipe is read when it is named, as shells do it for `<(...)`; one in a folder is told of, not waited for."""
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert told(tmp_path) == ["not a file"]
    writer = threading.Thread(target=lambda: pipe.write_text(config("through")))
    writer.start()
    assert told(pipe) == ["through"]
    writer.join()


def test_unreadable_places(tmp_path: Path) -> None:
    """What isn't there and links that lead nowhere are named with what to do, and the rest is read."""
    write(tmp_path, a_yaml=config("a"), z_yaml=config("z"))
    (tmp_path / "m.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "n.yaml").symlink_to(tmp_path / "n.yaml")
    assert told(tmp_path / "missing", tmp_path) == [
        "can't be read: no such file or directory",
        "a",
        "can't be read: no such file or directory",
        "can't be read: too many levels of symbolic links",
        "z",
    ]
    assert problem(tmp_path / "missing").hint == "look at the spelling"
    assert told("a\0b") == ["can't be read: embedded null byte"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden(tmp_path: Path) -> None:
    """Files and folders that may not be read are named, and the rest is read."""
    write(tmp_path, a_yaml=config("a"), b__c_yaml=config("c"), d_yaml=config("d"))
    (tmp_path / "a.yaml").chmod(0)
    (tmp_path / "b").chmod(0)
    assert told(tmp_path) == ["can't be read: permission denied", "can't be read: permission denied", "d"]
    (tmp_path / "b").chmod(0o700)


def test_links(tmp_path: Path) -> None:
    """Links to files and folders are followed once; one that leads back up is named."""
    write(tmp_path, shared__x_yaml=config("x"), tree__a__b_yaml=config("b"))
    (tmp_path / "tree" / "a" / "back").symlink_to(tmp_path / "tree")
    (tmp_path / "tree" / "z").symlink_to(tmp_path / "shared")
    (tmp_path / "tree" / "zz").symlink_to(tmp_path / "shared")
    assert told(tmp_path / "tree") == ["b", "leads back to a folder above it", "x"]


def test_mounted_config_maps(tmp_path: Path) -> None:
    """A mounted ConfigMap, whose files are links into a hidden folder, is read once."""
    write(tmp_path, **{"..2026_01__a_yaml": config("a")})
    (tmp_path / "..data").symlink_to("..2026_01")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert told(tmp_path) == ["a"]


def test_too_large(tmp_path: Path) -> None:
    """A file beyond the bound is named, without being parsed."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as opened:
        opened.truncate(MOST_BYTES + 1)
    assert told(path) == ["larger than 64 MiB"]
    found = list(load_documents(["-"], io.BytesIO(b" " * (MOST_BYTES + 1))))
    assert isinstance(found[0], Unreadable)


def test_kustomizations(tmp_path: Path) -> None:
    """A folder with a kustomization is to be rendered: its patches are no manifests. Others below it are named too."""
    write(
        tmp_path,
        plain_yaml=config("plain"),
        app__base__patch_yaml="spec: {replicas: 2}",
        app__base__kustomization_yaml="resources: [x.yaml]",
    )
    write(tmp_path, app__base__patches__p_yaml=config("patch"), app__base__over__kustomization_yml="resources: [..]")
    found = list(load_documents([str(tmp_path)]))
    assert [one.source for one in found] == [
        str(tmp_path / "app" / "base" / "kustomization.yaml"),
        str(tmp_path / "app" / "base" / "over" / "kustomization.yml"),
        str(tmp_path / "plain.yaml"),
    ]
    first = found[0]
    assert isinstance(first, Unreadable)
    assert first.hint == f"render it first: `kustomize build {tmp_path / 'app' / 'base'} | bailiwick check -`"


@pytest.mark.parametrize("name", ["kustomization_yaml", "k_yaml"])
def test_kustomization_by_name(tmp_path: Path, name: str) -> None:
    """A kustomization that is named itself is known by its name or by its kind."""
    write(tmp_path, **{name: "# x\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n"})
    found = problem(tmp_path / name.replace("_yaml", ".yaml"))
    assert found.message == "a kustomization gives manifests only when it is rendered"
    assert found.hint.startswith(f"render it first: `kustomize build {tmp_path} ")


def test_charts(tmp_path: Path) -> None:
    """A Helm chart is to be rendered, whether its folder is met, or one of its files is named."""
    write(
        tmp_path,
        chart__Chart_yaml="name: x",
        chart__values_yaml="a: 1",
        chart__templates__sub__d_yaml="a: {{ .Values.a }}",
        chart__charts__sub__Chart_yaml="name: y",
        z_yaml=config("z"),
    )
    chart, words = tmp_path / "chart", "a Helm chart gives manifests only when it is rendered"
    assert told(tmp_path) == [words, "z"]
    assert told(chart / "Chart.yaml") == [words]
    assert told(chart / "templates" / "sub" / "d.yaml") == [words]
    assert problem(chart).hint == f"render it first: `helm template {chart} | bailiwick check -`"


def test_templates_elsewhere(tmp_path: Path) -> None:
    """A folder that is only called templates is a folder."""
    write(tmp_path, templates__a_yaml=config("a"))
    assert told(tmp_path / "templates" / "a.yaml", tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "no Kubernetes object: `apiVersion` and `kind` are missing"),
        ("kind: Pod\n", "no Kubernetes object: `apiVersion` is missing"),
        ("apiVersion: v1\nkind: 5\n", "no Kubernetes object: `kind` is missing"),
    ],
)
def test_no_objects(tmp_path: Path, text: str, message: str) -> None:
    """Values files and the like are named, not taken for objects."""
    write(tmp_path, a_yaml=text + "---\n" + config("a"))
    assert told(tmp_path) == [message, "a"]


def test_kinds(tmp_path: Path) -> None:
    """Our kinds are parsed and the others left as they are; all that is wrong with any of them is told."""
    write(
        tmp_path,
        a_yaml=data_class("a") + "---\n" + config("c") + "---\n" + data_class("b", rank=9999),
        b_yaml="x: [",
        c_yaml=data_class("c"),
    )
    loaded = load_kinds([str(tmp_path)])
    assert [kind.metadata.name for kind in loaded.kinds] == ["a", "c"]
    assert [found.value["kind"] for found in loaded.others] == ["ConfigMap"]
    assert [(Path(one.source).name, one.line) for one in loaded.unreadable] == [("b.yaml", 2)]
    assert [(one.line, one.field) for one in loaded.problems] == [(15, "spec.rank")]


def test_doubles(tmp_path: Path) -> None:
    """Two objects of ours under one name are a mistake: the second is named, with where the first is."""
    write(tmp_path, a_yaml=data_class("a", rank=1), b_yaml=config("x") + "---\n" + data_class("a", rank=2))
    loaded = load_kinds([str(tmp_path)])
    assert [kind.spec.rank for kind in loaded.kinds if isinstance(kind, DataClass)] == [1]
    (found,) = loaded.problems
    assert (Path(found.source).name, found.line) == ("b.yaml", 8)
    assert found.message == f"DataClass `a` is there already, at {tmp_path / 'a.yaml'}:1"


def test_packs() -> None:
    """The built-in packs and classes are objects of ours without a mistake."""
    loaded = load_kinds([str(PACKS)])
    assert (loaded.others, loaded.problems, loaded.unreadable) == ((), (), ())
    ranks = {kind.metadata.name: kind.spec.rank for kind in loaded.kinds if isinstance(kind, DataClass)}
    assert ranks == {"public": 0, "internal": 100, "confidential": 200, "restricted": 300}
    assert any(isinstance(kind, SovereigntyPolicy) for kind in loaded.kinds)
