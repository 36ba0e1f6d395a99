"""The models a container serves or fetches: named by arguments, by environment, or mounted.

Guarantees: every model named in a way the table knows is reported with the path of the text that names it; what is
named by a value nobody can see here (a ConfigMap, a variable) is reported with scheme `unknown`. Never raises.
What a program loads on its own is not visible, and is the network's business.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from policies.json import Json, JsonObject
from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import Variables, Word, flag, runs, script_words, words_of
from policies.workloads.commands.commands import models_of_command, models_of_words, named, servers, unreadable
from policies.workloads.commands.scripts import hidden_in_text, is_plain, read_through
from policies.workloads.containers.container import Container, actions_of
from policies.workloads.names.images import listed
from policies.workloads.names.references import (
    Model,
    image_model,
    is_path,
    looks_like_reference,
    parse_model,
    scheme_of,
)

_DEEPEST = 64  # directories of a path that are looked at


def models_of_pod(containers: Iterable[Container], spec: JsonObject, spec_at: str) -> list[Model]:
    """The models of all containers of a spec and of its image volumes. `spec_at` is the spec's path, with its dot."""
    found: list[Model] = []
    for container in containers:
        models = models_of_container(container)
        if any(model["scheme"] == "file" for model in models):
            mounts, volumes = _mounts(container.held), _volumes(spec)
            models = [_located(model, mounts, volumes) for model in models]
        found += models
    if "volumes" in spec:
        found += _volume_models(spec, spec_at)
    return found


def models_of_container(container: Container) -> list[Model]:
    """The models of anything with `command`, `args` and `env`; local paths are left as they are."""
    held = container.held
    variables = Variables(held.get("env"))
    told = _told(container, variables)
    for field, hook in container.hooks:
        if field == "lifecycle" or "exec" in hook:
            for at, action in actions_of(hook, f"{container.at}{field}"):
                command = action.get("exec")
                told += _told(Container(command, f"{at}.exec."), variables) if isinstance(command, dict) else []
    found = _environment_models(container, variables)
    if not told and not found and held.get("envFrom") and _serves(held):
        return [named("$(envFrom)", f"{container.at}envFrom")]
    if not found or not variables.used:
        return found + told
    # a variable that the command line only repeats is judged there, with the revision that stands beside it
    repeated = {model["reference"] for model in told}
    return [model for model in found if model["reference"] not in repeated] + told


def _told(container: Container, variables: Variables) -> list[Model]:
    """The models that command lines name, and as models that nobody knows what runs unread."""
    held, line = container.held, container.line
    if line is not None and line.is_plain():
        serves = line.begins_bare and _serves(held)
        naming = line.naming()
        return models_of_command(line.words, serves, naming) if naming or serves else []
    if not runs(held):
        return []
    words = words_of(held, container.at, variables)
    return _models(words, variables, _in_scripts(held, container.at), serves=_serves(held))


def models_of_script(script: str, path: str) -> list[Model]:
    """The models of a command line that is one text, or of a script that isn't a container's."""
    variables = Variables()
    return _models(script_words(script, path, variables), variables, hidden_in_text(script, path), serves=False)


def _models(words: list[Word], variables: Variables, unread: Iterable[Word], *, serves: bool) -> list[Model]:
    read, hidden = (words, []) if is_plain(words) else read_through(words, variables)
    found = models_of_words(read, bool(read) and read[0][0][:1] != "-" and serves)
    if serves and read and read[0][0][:1] == "-":
        hidden += [(text, path) for text, path in read if flag(text)[0] == "--config"]
    hidden += unread
    return found + [unreadable(text, path) for text, path in dict.fromkeys(hidden)]


def _in_scripts(container: JsonObject, where: str) -> Iterator[Word]:
    for field in ("command", "args"):
        for index, text in enumerate(listed(container.get(field))):
            if isinstance(text, str) and (" " in text or "\n" in text):
                yield from hidden_in_text(text, f"{where}{field}[{index}]")
    for field in ("script", "source"):
        if isinstance(text := container.get(field), str):
            yield from hidden_in_text(text, f"{where}{field}")


def _volumes(spec: JsonObject) -> dict[str, JsonObject]:
    """The volumes of a pod spec by name."""
    pairs = ((one.get("name"), one) for one in listed(spec.get("volumes")) if isinstance(one, dict))
    return {name: one for name, one in pairs if isinstance(name, str)}


def _serves(container: JsonObject) -> bool:
    """Whether the image is a model server whose first argument is a model, or is not told."""
    if container.get("command") or "script" in container:
        return False
    image = container.get("image")
    return not isinstance(image, str) or bool(servers().search(f"/{image[:512]}"))


def _environment_models(container: Container, variables: Variables) -> list[Model]:
    kinds = _kinds()
    found: list[Model] = []
    named_so = not _naming().isdisjoint(container.names)
    for index, name, value, held in container.variables if named_so else container.telling:
        kind = kinds.get(name)
        if kind == "never" or (kind is None and not (isinstance(value, str) and ("://" in value or "$" in value))):
            continue
        if kind == "exact" and held.get("valueFrom"):
            found.append(named(f"$({name})", f"{container.at}env[{index}]"))
        elif isinstance(value, str):
            told = variables.told(index, value) if "$" in value else value
            if _names_model(kind, name, told):
                found.append(named(told, f"{container.at}env[{index}]", _revision(variables.known)))
    return found


def _revision(known: Mapping[str, str]) -> str:
    return next((known[name] for name in table("models")["environment"]["revision"] if name in known), "")


@cache
def _kinds() -> dict[str, str]:
    """What the name of a variable says about its value."""
    rules = table("models")["environment"]
    order = (("loose", "loose"), ("exact", "names"), ("never", "not_models"))
    return {name: kind for kind, listed_as in order for name in rules[listed_as]}


@cache
def _naming() -> frozenset[str]:
    """The variables whose name alone says that they may hold a model."""
    return frozenset(name for name, kind in _kinds().items() if kind != "never")


@cache
def _telling() -> re.Pattern[str]:
    return re.compile(table("models")["environment"]["pattern"])


def _names_model(kind: str | None, name: str, value: str) -> bool:
    if kind is not None:
        return bool(value) and (kind == "exact" or (kind == "loose" and looks_like_reference(value)))
    scheme = scheme_of(value) if "://" in value else ""
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
