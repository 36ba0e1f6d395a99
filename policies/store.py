"""The rim where manifests come in: files, folders, standard input.

Guarantees: what can't be read is reported with its place and the rest is still read; folders are walked in a fixed
order; nothing is read twice; no file is larger than `MOST_BYTES`. Kustomizations and Helm charts are named, not
misread: what they would give is only known once they are rendered. Parsing is left to `policies.manifests` and
`policies.kinds`.
"""

import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from policies.kinds import Kind, KindInvalid, Problem, is_ours, parse
from policies.manifests import Document, Unreadable, read_documents

if TYPE_CHECKING:
    from policies.geography import Regions
    from policies.workloads import Catalogue

MOST_BYTES = 64 * 2**20  # of one file; kubectl's largest request is a twentieth of it
STDIN = "-"

Identity = tuple[str, str, str]  # kind, namespace and name
_Identity = tuple[int, int]  # device and inode
_SUFFIXES = (".yaml", ".yml", ".json")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_CHART = "Chart.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What lay in some places: our kinds, every other object, and all that is wrong with either."""

    kinds: tuple[Kind, ...]
    others: tuple[Document, ...]
    problems: tuple[Problem, ...]
    unreadable: tuple[Unreadable, ...]
    places: Mapping[Identity, Document] = field(default_factory=dict)  # where each of our kinds is written
    regions: "Regions | None" = None  # a deployer's own, laid over the built-in ones
    catalogue: "Catalogue | None" = None  # of workloads, the same


def load_documents(paths: Sequence[str], stdin: BinaryIO | None = None) -> Iterator[Document | Unreadable]:
    """Every Kubernetes object in these files and folders; `-` is standard input. Never raises for what it finds there.

    Folders are walked to their ends for *.yaml, *.yml and *.json; a file that is named itself may be called anything.
    """
    walk = _Walk()
    for path in paths:
        for found in _stdin(stdin) if path == STDIN else walk.named(Path(path)):
            yield _object(found) if isinstance(found, Document) else found


def load_kinds(paths: Sequence[str], stdin: BinaryIO | None = None) -> Loaded:
    """The objects of our kinds in these places, parsed, and the others as they are."""
    kinds: list[Kind] = []
    others: list[Document] = []
    problems: list[Problem] = []
    unreadable: list[Unreadable] = []
    places: dict[Identity, Document] = {}
    for found in load_documents(paths, stdin):
        if isinstance(found, Unreadable):
            unreadable.append(found)
        elif not is_ours(found.value):
            others.append(found)
        else:
            try:
                kind = parse(found)
            except KindInvalid as invalid:
                problems += invalid.problems
                continue
            identity = (kind.kind, kind.metadata.namespace or "", kind.metadata.name)
            first = places.setdefault(identity, found)
            if first is not found:
                problems.append(_double(found, kind, f"{first.source}:{first.line}"))
            else:
                kinds.append(kind)
    return Loaded(tuple(kinds), tuple(others), tuple(problems), tuple(unreadable), places)


class OpenapiUnreadable(Exception):
    """A file given as OpenAPI v3 isn't one."""

    def __init__(self, path: Path, why: str) -> None:
        self.hint = "give what `kubectl get --raw /openapi/v3/apis/<group>/<version>` prints, or a folder of such files"
        super().__init__(f"`{path}`: {why}")


def load_openapi(paths: Sequence[str]) -> list[Mapping[str, Any]]:
    """The OpenAPI v3 documents in these files, and in the *.json of these folders. Raises OpenapiUnreadable."""
    files = [file for path in map(Path, paths) for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    return [_openapi(path) for path in files]


def _openapi(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OpenapiUnreadable(path, f"larger than {MOST_BYTES // 2**20} MiB")
        read = orjson.loads(path.read_bytes())
    except OSError as error:
        raise OpenapiUnreadable(path, f"can't be read: {(error.strerror or str(error)).lower()}") from error
    except orjson.JSONDecodeError as error:
        raise OpenapiUnreadable(path, f"not JSON: {error}") from error
    components = read.get("components") if isinstance(read, dict) else None
    if not isinstance(read, dict) or not isinstance(components, dict) or "schemas" not in components:
        raise OpenapiUnreadable(path, "not OpenAPI v3: `components.schemas` is missing")
    return read


def _double(found: Document, kind: Kind, where: str) -> Problem:
    message = f"{kind.kind} `{kind.metadata.name}` is there already, at {where}"
    return Problem(found.source, found.position(("metadata", "name")), "metadata.name", message, "keep one of the two")


def _object(document: Document) -> Document | Unreadable:
    """Only what says its kind is an object. A kustomization says one, but it is a recipe."""
    version, kind = document.value.get("apiVersion"), document.value.get("kind")
    if isinstance(version, str) and version.startswith("kustomize.config.k8s.io/"):
        return _kustomization(Path(document.source), document.line)
    said = (("apiVersion", version), ("kind", kind))
    missing = [name for name, value in said if not isinstance(value, str) or not value]
    if not missing:
        return document
    words = " and ".join(f"`{name}`" for name in missing)
    message = f"no Kubernetes object: {words} {'is' if len(missing) == 1 else 'are'} missing"
    hint = f"add {'it' if len(missing) == 1 else 'them'}, or move what is no manifest elsewhere"
    return Unreadable(document.source, document.line, 1, message, hint)


def _stdin(stdin: BinaryIO | None) -> Iterator[Document | Unreadable]:
    try:
        data = (stdin or sys.stdin.buffer).read(MOST_BYTES + 1)
    except OSError as error:
        yield _failed(STDIN, error)
        return
    yield from _read(data, STDIN)


def _read(data: bytes, source: str) -> Iterator[Document | Unreadable]:
    if len(data) > MOST_BYTES:
        yield Unreadable(source, 0, 0, f"larger than {MOST_BYTES // 2**20} MiB", "divide it")
        return
    yield from read_documents(data, source)


@dataclass(slots=True)
class _Walk:
    """One walk over places that may overlap or lead into each other."""

    seen: set[_Identity] = field(default_factory=set)

    def named(self, path: Path) -> Iterator[Document | Unreadable]:
        """What somebody asked for by name."""
        try:
            folder = path.is_dir()
            path.stat()
        except (OSError, ValueError) as error:
            yield _failed(str(path), error)
            return
        recipe = None if folder else _recipe_around(path)
        if folder:
            yield from self._folder(path, (), covered=False)
        elif recipe:
            yield recipe
        else:
            yield from self._file(path)

    def _folder(self, path: Path, above: tuple[_Identity, ...], *, covered: bool) -> Iterator[Document | Unreadable]:
        """A folder and all below it. One that is covered belongs to a recipe: only further recipes count in it."""
        try:
            identity = _identity(path)
            entries = sorted((entry.name, entry.is_dir()) for entry in path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            yield _failed(str(path), error)
            return
        if identity in above:
            yield Unreadable(str(path), 0, 0, "leads back to a folder above it", "remove the symbolic link")
        if identity in self.seen:
            return
        self.seen.add(identity)
        recipe = _recipe_in(path, [name for name, _ in entries])
        if recipe:
            yield recipe
        if (_CHART, False) in entries:
            return  # what lies below a chart is the chart's own
        for name, folder in entries:
            if folder:
                yield from self._folder(path / name, (*above, identity), covered=covered or recipe is not None)
            elif not covered and not recipe and name.endswith(_SUFFIXES):
                yield from self._file(path / name, only_regular=True)

    def _file(self, path: Path, *, only_regular: bool = False) -> Iterator[Document | Unreadable]:
        try:
            found = path.stat()
            if only_regular and not stat.S_ISREG(found.st_mode):
                yield Unreadable(str(path), 0, 0, "not a file", "name it as an argument to read it all the same")
                return
            if stat.S_ISREG(found.st_mode):
                if (found.st_dev, found.st_ino) in self.seen:
                    return
                self.seen.add((found.st_dev, found.st_ino))
            with path.open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
        except OSError as error:
            yield _failed(str(path), error)
            return
        yield from _read(data, str(path))


def _identity(path: Path) -> _Identity:
    found = path.stat()
    return found.st_dev, found.st_ino


def _recipe_in(path: Path, names: Sequence[str]) -> Unreadable | None:
    """What a folder has to be rendered by, if it isn't manifests."""
    if _CHART in names:
        return _chart(path)
    kustomization = next((name for name in _KUSTOMIZATIONS if name in names), None)
    return _kustomization(path / kustomization, 0) if kustomization else None


def _recipe_around(path: Path) -> Unreadable | None:
    """The same for a single file: a recipe itself, or a template of a chart."""
    if path.name in _KUSTOMIZATIONS:
        return _kustomization(path, 0)
    if path.name == _CHART:
        return _chart(path.parent)
    chart = next((folder.parent for folder in path.absolute().parents if folder.name == "templates"), None)
    return _chart(chart) if chart and (chart / _CHART).is_file() else None


def _kustomization(path: Path, line: int) -> Unreadable:
    hint = f"render it first: `kustomize build {path.parent} | bailiwick check -`"
    return Unreadable(str(path), line, 0, "a kustomization gives manifests only when it is rendered", hint)


def _chart(path: Path) -> Unreadable:
    hint = f"render it first: `helm template {path} | bailiwick check -`"
    return Unreadable(str(path), 0, 0, "a Helm chart gives manifests only when it is rendered", hint)


def _failed(source: str, error: OSError | ValueError) -> Unreadable:
    words = (getattr(error, "strerror", "") or str(error)).lower()
    hint = "look at the spelling" if isinstance(error, FileNotFoundError) else ""
    return Unreadable(source, 0, 0, f"can't be read: {words}", hint)
