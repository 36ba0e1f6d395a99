"""The models a container serves or fetches: named by arguments, by environment, or mounted.

Guarantees: every model named in a way the table knows is reported with the path of the text that names it; what is
named by a value nobody can see here (a ConfigMap, a variable) is reported with scheme `unknown`. Never raises.
What a program loads on its own is not visible, and is the network's business.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from policies.json import Json, JsonObject
from policies.workloads.arguments import (
    END,
    Variables,
    Word,
    environment_of,
    flag,
    is_open,
    program,
    value_after,
    words_of,
)
from policies.workloads.images import containers_of, listed
from policies.workloads.references import (
    Model,
    image_model,
    is_commit,
    is_path,
    looks_like_reference,
    parse_model,
    scheme_of,
)
from policies.workloads.tables import table

_LOOK_AHEAD = 64  # words behind a command in which its model stands
_DEEPEST = 64  # directories of a path that are looked at


def models_of_pod(spec: JsonObject, spec_at: str) -> list[Model]:
    """The models of all containers and of image volumes. `spec_at` is the path of the spec, with its dot."""
    found: list[Model] = []
    mounted = volumes_of(spec)
    for at, container in containers_of(spec):
        named = models_of_container(container, f"{spec_at}{at}.")
        if any(model["scheme"] == "file" for model in named):
            mounts = _mounts(container)
            named = [_located(model, mounts, mounted) for model in named]
        found += named
    found += _volume_models(spec, spec_at)
    return found


def models_of_container(container: JsonObject, where: str) -> list[Model]:
    """The models of anything with `command`, `args` and `env`; local paths are left as they are."""
    variables = environment_of(container)
    found = _environment_models(container, where, variables)
    if container.get("args") or container.get("command"):
        found += models_of_words(words_of(container, where, variables), _serves(container))
    return found


def models_of_words(words: list[Word], serves: bool) -> list[Model]:
    """The models a command line names. `serves` says that the program is a model server even if it isn't named."""
    found: list[Model] = []
    taken: set[int] = set()
    rules, revisions = _flags(), Revisions(words)
    for index, word in enumerate(words):
        text = word.text
        if index in taken:
            continue
        if text[:1] == "-":
            name, joined = flag(text)
            rule = rules.get(name)
            if rule is not None:
                value = Word(joined, word.path) if joined is not None else value_after(words, index)
                if value is not None and not _not_a_flag(rule, words, index):
                    found += _flag_models(rule, value, words, index, revisions)
                    taken.update(() if joined is not None else (index + 1,))
                continue
        command = _command(words, index)
        if command is not None:
            found += _command_models(*command, words, taken, revisions)
        elif "://" in text and _is_model_address(text):
            found.append(parse_model(_after_equals(text), word.path, revisions.of(_any_revision())))
    if serves and words and 0 not in taken and words[0].text[:1] != "-" and _is_bare_model(words[0].text):
        found.insert(0, parse_model(words[0].text, words[0].path, revisions.of(("--revision",))))
    return found


class Revisions:
    """The revisions a command line says, by flag. Where it says several, one that isn't a commit counts first."""

    __slots__ = ("_said",)

    def __init__(self, words: list[Word]) -> None:
        self._said: dict[str, list[str]] = {}
        for index, word in enumerate(words):
            name, joined = flag(word.text) if "rev" in word.text else ("", None)
            # Python's argument parser takes any unambiguous beginning of a flag for the flag.
            whole = next(
                (one for one in _revision_flags() if one == name or (len(name) > 4 and one.startswith(name))), ""
            )
            if whole:
                following = value_after(words, index)
                value = joined if joined is not None else following.text if following else ""
                self._said.setdefault(whole, []).append(value)

    def of(self, names: Sequence[str]) -> str:
        """The weakest revision that one of the flags says; empty when none does."""
        said = [value for name in names for value in self._said.get(name, ())]
        return next((value for value in said if not is_commit(value)), said[-1] if said else "")


def volumes_of(spec: JsonObject) -> dict[str, JsonObject]:
    """The volumes of a pod spec by name."""
    named = ((one.get("name"), one) for one in listed(spec.get("volumes")) if isinstance(one, dict))
    return {name: one for name, one in named if isinstance(name, str)}


@cache
def _flags() -> dict[str, Any]:
    return {name.replace("_", "-"): row for row in table("models")["flags"] for name in row["names"]}


@cache
def _commands() -> dict[str, list[Any]]:
    first: dict[str, list[Any]] = {}
    for row in table("models")["commands"]:
        first.setdefault(row["words"][0], []).append(row)
    return first


@cache
def _revision_flags() -> tuple[str, ...]:
    rows = [*table("models")["flags"], *table("models")["commands"]]
    return tuple(dict.fromkeys(name for row in rows for name in row.get("revision", ())))


@cache
def _any_revision() -> tuple[str, ...]:
    return tuple(table("models")["any_revision"])


@cache
def _servers() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, table("models")["servers"])))


def _serves(container: JsonObject) -> bool:
    """Whether the image is a model server whose first argument is a model, or is not told."""
    if container.get("command"):
        return False
    image = container.get("image")
    return not isinstance(image, str) or bool(_servers().search(image[:512]))


def _is_bare_model(text: str) -> bool:
    return looks_like_reference(text) and not is_open(text)


def _not_a_flag(rule: Any, words: list[Word], index: int) -> bool:
    """`python -m module` isn't a model: the same letters mean other things to other programs."""
    refused = rule.get("not_after")
    before = words[index - 1].text if index else ""
    return bool(refused) and program(before).rstrip("0123456789.") in refused


def _flag_models(rule: Any, value: Word, words: list[Word], index: int, revisions: Revisions) -> Iterator[Model]:
    text, path = value
    form = rule.get("form", "")
    if form == "skip" or not text or (rule.get("loose") and not looks_like_reference(text)):
        return
    revision = revisions.of(rule.get("revision", ()))
    if form == "json" or text[0] == "{":
        yield from _json_models(text, path)
    elif form == "adapters":
        yield from _adapters(words, index, value)
    elif form == "quantized":
        yield _named(text.partition(":")[0], path, "", {})
    else:
        yield _named(text, path, revision, rule)


def _named(text: str, path: str, revision: str, rule: Mapping[str, Any]) -> Model:
    if is_open(text):
        model = parse_model("", path, revision)
        return {**model, "reference": text, "scheme": "unknown", "pinned": False}
    return parse_model(text, path, "" if is_open(revision) else revision, scheme=rule.get("scheme", ""))


def _json_models(text: str, path: str) -> Iterator[Model]:
    """The model of a JSON value such as vLLM's `--speculative-config` or one LoRA adapter."""
    try:
        said = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    for one in said if isinstance(said, list) else [said]:
        if isinstance(one, dict):
            revision = one.get("revision")
            for field in ("model", "path", "lora_path", "model_name_or_path"):
                if isinstance(name := one.get(field), str) and name:
                    yield _named(name, path, revision if isinstance(revision, str) else "", {})


def _adapters(words: list[Word], index: int, value: Word) -> Iterator[Model]:
    """`--lora-modules a=org/x b=org/y`: all words up to the next flag."""
    following = [value]
    if words[index].text.partition("=")[1] == "":
        for word in words[index + 2 :]:
            if word.text == END or word.text.startswith("-"):
                break
            following.append(word)
    for text, path in following:
        if text[:1] in "{[":
            yield from _json_models(text, path)
        else:
            for one in text.split(","):
                reference = one.partition("=")[2] or one
                if looks_like_reference(reference) or is_open(reference):
                    yield _named(reference, path, "", {})


def _command(words: list[Word], index: int) -> tuple[Any, int] | None:
    """The row of the command that begins at a word, the longest first, and where its own words end."""
    rows = _commands().get(program(words[index].text))
    best: tuple[Any, int] | None = None
    for row in rows or ():
        end = index + len(row["words"])
        if [word.text for word in words[index + 1 : end]] == row["words"][1:] and (best is None or end > best[1]):
            best = row, end
    return best


def _command_models(row: Any, end: int, words: list[Word], taken: set[int], revisions: Revisions) -> Iterator[Model]:
    """The first bare word behind a command; a word behind a flag is that flag's unless the flag is joined."""
    before = ""
    for index in range(end, min(end + _LOOK_AHEAD, len(words))):
        text, path = words[index]
        if text == END:
            return
        bare = not text.startswith("-") and not (before.startswith("-") and "=" not in before)
        if bare and (not row.get("loose") or scheme_of(text)):
            if row.get("loose") and not _is_model_address(text) and scheme_of(text) in ("https", "http"):
                return
            taken.add(index)
            yield _named(text, path, revisions.of(row.get("revision", ("--revision",))), row)
            return
        before = text


def _after_equals(text: str) -> str:
    """`MODEL=hf://a/b` and `--x=hf://a/b`: the reference alone."""
    scheme = text.find("://")
    return text[text.rfind("=", 0, scheme) + 1 :]


def _is_model_address(text: str) -> bool:
    address = _after_equals(text)
    scheme = scheme_of(address)
    rules = table("models")
    if scheme in rules["always_models"]:
        return True
    return scheme in rules["schemes"] and any(mark in address for mark in rules["urls"])


def _environment_models(container: JsonObject, where: str, variables: Variables) -> list[Model]:
    rules = table("models")["environment"]
    revision = next((variables.known[name] for name in rules["revision"] if name in variables.known), "")
    found: list[Model] = []
    for index, variable in enumerate(listed(container.get("env"))):
        name = variable.get("name") if isinstance(variable, dict) else None
        if not isinstance(name, str) or name in rules["not_models"]:
            continue
        path = f"{where}env[{index}]"
        if name in _exact() and variable.get("valueFrom"):
            found.append(_named(f"$({name})", path, "", {}))
        elif (value := variables.known.get(name)) and _names_model(name, value):
            found.append(_named(value, path, revision, {}))
    return found


@cache
def _exact() -> frozenset[str]:
    return frozenset(table("models")["environment"]["names"])


@cache
def _loose() -> frozenset[str]:
    return frozenset(table("models")["environment"]["loose"])


@cache
def _telling() -> re.Pattern[str]:
    return re.compile(table("models")["environment"]["pattern"])


def _names_model(name: str, value: str) -> bool:
    if name in _exact():
        return True
    if name in _loose():
        return looks_like_reference(value)
    scheme = scheme_of(value)
    if not scheme:
        return False
    rules = table("models")
    return scheme in rules["always_models"] or (scheme in rules["schemes"] and bool(_telling().search(name)))


def _volume_models(spec: JsonObject, spec_at: str) -> Iterator[Model]:
    for index, volume in enumerate(listed(spec.get("volumes"))):
        if not isinstance(volume, dict):
            continue
        image, csi = volume.get("image"), volume.get("csi")
        reference = image.get("reference") if isinstance(image, dict) else None
        if isinstance(reference, str) and reference:
            yield image_model(reference, f"{spec_at}volumes[{index}].image.reference")
        attributes = csi.get("volumeAttributes") if isinstance(csi, dict) else None
        if isinstance(attributes, dict):
            yield from _csi_models(attributes, f"{spec_at}volumes[{index}].csi.volumeAttributes")


def _csi_models(attributes: JsonObject, where: str) -> Iterator[Model]:
    keys: Mapping[str, str] = table("models")["csi_attributes"]
    for key, value in attributes.items():
        if key in keys and isinstance(value, str) and value:
            yield parse_model(value, f'{where}["{key}"]', scheme=keys[key])


def _located(model: Model, mounts: Mapping[str, str], volumes: Mapping[str, Json]) -> Model:
    """A local path is where its volume is: a claim, an image, or the container's own file system."""
    mount = _mount(model["reference"], mounts)
    if model["scheme"] != "file" or mount is None:
        return model
    volume = volumes.get(mount)
    if volume is None or isinstance(volume.get("persistentVolumeClaim"), dict) or "ephemeral" in volume:
        return {**model, "scheme": "pvc"}  # a name without a volume is a StatefulSet's claim template
    image = volume.get("image")
    if isinstance(image, dict) and isinstance(reference := image.get("reference"), str):
        held = image_model(reference, model["path"])
        return {**model, "scheme": "oci", "digest": held["digest"], "pinned": held["pinned"]}
    return model


def _mounts(container: JsonObject) -> dict[str, str]:
    """The names of mounted volumes by the path they are mounted at."""
    mounts: dict[str, str] = {}
    for mount in listed(container.get("volumeMounts")):
        at, name = (mount.get("mountPath"), mount.get("name")) if isinstance(mount, dict) else (None, None)
        if isinstance(at, str) and isinstance(name, str):
            mounts[at.rstrip("/")] = name
    return mounts


def _mount(path: str, mounts: Mapping[str, str]) -> str | None:
    """The name of the volume that holds a path: the longest mount path wins."""
    for _ in range(_DEEPEST if is_path(path) else 0):
        if path in mounts or not path:
            break
        path = path.rpartition("/")[0]
    return mounts.get(path)
