"""A search of any manifest for what it holds, that knows no kinds: only how keys and values of such things look.

Guarantees nothing but independence: nothing of the product is imported, and no path is listed. It walks every node and
judges it by its key, the keys around it and its text. What it finds wrongly, or can't find this way, has its reason in
`leftovers.yaml`.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

Keys = tuple[Any, ...]

_PLAIN: Final = re.compile(r"[A-Za-z_$][\w$-]*")
_IMAGE_KEY: Final = re.compile(r"[a-z]*image|modelPuller", re.I)
_IMAGE_NAME: Final = re.compile(r".*(sidecar|runtime|proxy|init-container)[-_]?(runtime-)?image", re.I)
_REFERENCE: Final = re.compile(r"\S*[a-zA-Z0-9})]\S*")
_ACCELERATOR: Final = re.compile(
    r"[\w.-]+/\S*(gpu|tpu|npu|mig-|ascend|neuron|mlu|dcu|xpu|habana|gaudi|vcuda|vgpu)\S*", re.I
)
_MODEL_KEY: Final = re.compile(
    r"(storage|model|artifact|source|sourceModel)_?(uri|url)|model(id|_id|_source)|bucket_uri|baseModelUri", re.I
)
_MODEL_ENV: Final = re.compile(
    r"(?!.*(SERVED|TOKEN|CACHE|HOME|DOWNLOADER))(.*_)?(MODEL|MODEL_(ID|NAME|PATH|URI)|PEFT_SOURCE)"
)
_MODEL_SCHEME: Final = re.compile(r"\b(hf|huggingface|modelscope|tos)://\S+")
_MODEL_LINE: Final = re.compile(r"^\s*(model_source|model_id|bucket_uri):\s*\S", re.M)
_MODEL_WORD: Final = re.compile(
    r"(?:--(?:pretrained_)?model(?:[-_](?:path|id|uri|name[-_]or[-_]path))?[= ]\s*|vllm serve\s+(?!\\))([^\s\\\"']+)"
)
_MODEL_FLAG: Final = re.compile(r"--(pretrained_)?model([-_](path|id|uri|name[-_]or[-_]path))?")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"


def leaves(
    value: Any, path: str = "", keys: Keys = (), above: tuple[Any, ...] = ()
) -> Iterator[tuple[str, Keys, Any, tuple[Any, ...]]]:
    """Every node: its path, its keys, itself, and what it stands in, the innermost first."""
    yield path, keys, value, above
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                written = (f"{path}.{key}" if path else key) if _PLAIN.fullmatch(key) else f'{path}["{key}"]'
                yield from leaves(inner, written, (*keys, key), (value, *above))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]", (*keys, index), (value, *above))


def searched(document: dict[str, Any]) -> dict[str, set[str]]:
    """The paths of images, devices, models and places."""
    found: dict[str, set[str]] = {"images": set(), "devices": set(), "models": set(), "placement": set()}
    for path, keys, value, above in leaves(document):
        if keys and keys[0] != "status" and value not in (None, "", {}, []):
            for fact, rule in _RULES.items():
                if rule(keys, value, above):
                    found[fact].add(path)
    return found


def _is_image(keys: Keys, value: Any, above: tuple[Any, ...]) -> bool:
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        return False
    last, parent = str(keys[-1]), str(keys[-2]) if len(keys) > 1 else ""
    if parent == "annotations":
        return _IMAGE_NAME.fullmatch(last) is not None
    if isinstance(keys[-1], int):
        return parent == "images"
    if last == "identifier":
        return above[0].get("type") == "oci"
    if parent.lower().endswith("image"):
        return last in ("reference", "name" if "registry" in above[0] else "repository")
    return _IMAGE_KEY.fullmatch(last) is not None


def _is_device(keys: Keys, value: Any, above: tuple[Any, ...]) -> bool:
    last, parent = str(keys[-1]), str(keys[-2]) if len(keys) > 1 else ""
    if parent in ("limits", "requests"):
        asked_twice = parent == "requests" and last in (above[1].get("limits") or {})
        return _ACCELERATOR.match(last) is not None and value not in (0, "0") and not asked_twice
    if parent == "annotations":
        return re.search(r"(^|[-/.])(v?gpu)([-/.]|$)|device-class", last) is not None and "policy" not in last
    if last in ("deviceClassName", "resourceClaimName", "resourceClaimTemplateName"):
        return True
    if last == "name" and parent == "resourceClaimTemplate":
        return True
    if last == "instanceType" or (parent == "partition" and last == "mode" and value != "mig"):
        return True
    if last in ("gpu", "gpuType") and isinstance(value, str):
        return last == "gpuType" or "gpuType" not in above[0]
    if parent == "gpu" and last == "count":
        return value > 0
    if last in ("privileged", "hostPID", "hostIPC"):
        return value is True
    return (
        parent == "hostPath"
        and last == "path"
        and re.match(r"/$|/(dev|proc|sys)(/|$)|.*nvidia|/var/lib/kubelet", value) is not None
    )


def _is_model(keys: Keys, value: Any, above: tuple[Any, ...]) -> bool:
    last = keys[-1]
    if isinstance(value, dict):
        return last == "valueFrom" and _MODEL_ENV.fullmatch(above[0].get("name", "")) is not None
    if not isinstance(value, str):
        return False
    if len(keys) > 1 and keys[-2] in ("model", "preset") and last in ("uri", "id", "name"):
        return last != "name" or "uri" not in above[0]
    if isinstance(last, str) and _MODEL_KEY.fullmatch(last):
        return True
    if isinstance(last, int) and keys[-2] in ("args", "command"):
        before = above[0][last - 1] if last else ""
        return _MODEL_FLAG.fullmatch(str(before)) is not None or _names_model(value)
    if last == "value" and isinstance(above[0].get("name"), str):
        return _MODEL_ENV.fullmatch(above[0]["name"]) is not None or _MODEL_SCHEME.match(value) is not None
    return "\n" in value and (_names_model(value) or _MODEL_LINE.search(value) is not None)


def _names_model(text: str) -> bool:
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return _MODEL_WORD.search(text) is not None or _MODEL_SCHEME.search(text) is not None


def _is_place(keys: Keys, value: Any, above: tuple[Any, ...]) -> bool:
    last, parent = str(keys[-1]), str(keys[-2]) if len(keys) > 1 else ""
    if isinstance(value, str):
        if parent in ("nodeSelector", "nodeLabels") or last in ("schedulerName", "runtimeClassName", "nodeName"):
            return True
        if last == "nodeLabel" or (last == "key" and len(keys) > 2 and keys[-3] == "topology"):
            return True
        return last == "topologyKey" and _REQUIRED in keys
    expression = isinstance(value, dict) and {"key", "operator"} <= value.keys()
    return expression and parent in ("matchExpressions", "requirements") and _binds_nodes(keys)


def _binds_nodes(keys: Keys) -> bool:
    around = set(map(str, keys))
    return "requirements" in around or (bool(around & {_REQUIRED, "required"}) and "nodeSelectorTerms" in around)


_RULES: Final = {"images": _is_image, "devices": _is_device, "models": _is_model, "placement": _is_place}
