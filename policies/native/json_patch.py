"""JSON Patch as the API server carries it out for mutating policies, which is not everywhere as RFC 6902 has it.

Replacing a member that isn't there adds it, an index may count from the end, and a test that fails leaves the object as
it was. Guarantees: the document is never changed, untouched parts are shared; nothing is half applied.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from policies.json import Json, JsonObject

_MISSING: Any = object()


class PatchFailed(ValueError):
    """An operation doesn't fit the object, in the API server's words."""


class ExpectationFailed(PatchFailed):
    """A `test` didn't hold: the object stays as it is."""


def patched(document: Json, operations: Iterable[JsonObject]) -> Json:
    """The document after all operations, in order. Raises PatchFailed or ExpectationFailed."""
    for operation in operations:
        act = _ACTIONS.get(operation["op"])
        if act is None:
            raise PatchFailed(f"Unexpected kind: {operation['op']}")
        document = act(document, operation)
    return document


def _add(document: Json, operation: JsonObject) -> Json:
    path = operation["path"]
    chain, key = _found(document, path, f'add operation does not apply: doc is missing path: "{path}"')
    return _rebuilt(chain, _added(chain[-1][0], key, operation.get("value"), path))


def _remove(document: Json, operation: JsonObject) -> Json:
    path = operation["path"]
    chain, key = _found(document, path, f'remove operation does not apply: doc is missing path: "{path}"')
    return _rebuilt(chain, _removed(chain[-1][0], key, f"error in remove for path: '{path}'"))


def _replace(document: Json, operation: JsonObject) -> Json:
    path, value = operation["path"], operation.get("value")
    if not path:
        if not isinstance(value, dict | list):
            raise PatchFailed("replace operation value must be object or array")
        return value
    chain, key = _found(document, path, f"replace operation does not apply: doc is missing path: {path}")
    holder = chain[-1][0]
    if isinstance(holder, Mapping):
        return _rebuilt(chain, {**holder, key: value})
    try:
        index = _index(key, len(holder))
    except PatchFailed as absent:
        missing = f"replace operation does not apply: doc is missing key: {path}: missing value"
        raise PatchFailed(missing) from absent
    return _rebuilt(chain, [*holder[:index], value, *holder[index + 1 :]])


def _move(document: Json, operation: JsonObject) -> Json:
    source, path = operation.get("from", ""), operation["path"]
    chain, key = _found(document, source, f"move operation does not apply: doc is missing from path: {source}")
    wrong = f"error in move for path: '{key}'"
    value = _got(chain[-1][0], key, wrong)
    document = _rebuilt(chain, _removed(chain[-1][0], key, wrong))
    missing = f"move operation does not apply: doc is missing destination path: {path}"
    chain, key = _found(document, path, missing)
    return _rebuilt(chain, _added(chain[-1][0], key, value, path, "move"))


def _copy(document: Json, operation: JsonObject) -> Json:
    source, path = operation.get("from", ""), operation["path"]
    chain, key = _found(document, source, f"copy operation does not apply: doc is missing from path: {source}")
    value = _got(chain[-1][0], key, f"error in copy for from: '{source}'")
    missing = f"copy operation does not apply: doc is missing destination path: {path}"
    chain, key = _found(document, path, missing)
    return _rebuilt(chain, _added(chain[-1][0], key, None if value is _MISSING else value, path, "copy"))


def _test(document: Json, operation: JsonObject) -> Json:
    path, wanted = operation["path"], operation.get("value")
    found = document
    if path:
        chain, key = _found(document, path, f"test operation does not apply: is missing path: {path}")
        found = _got(chain[-1][0], key, f"error in test for path: '{path}'")
    if not _same(None if found is _MISSING else found, wanted):
        raise ExpectationFailed(f"testing value {path} failed")
    return document


_ACTIONS = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "copy": _copy, "test": _test}
_Chain = list[tuple[Json, Any]]  # containers from the root down, each with the key that leads on


def _found(document: Json, path: str, missing: str) -> tuple[_Chain, str]:
    """The containers on the way to a path, and the last key."""
    # whatever stands before the first slash is ignored, as the API server does
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    if not parts:
        raise PatchFailed(f"{missing}: missing value")
    chain: _Chain = []
    for part in parts[:-1]:
        try:
            key: Any = part if isinstance(document, Mapping) else _index(part, len(document))
            inner = document[key]
        except (KeyError, PatchFailed) as absent:
            raise PatchFailed(f"{missing}: missing value") from absent
        if not isinstance(inner, dict | list):
            raise PatchFailed(f"{missing}: missing value")
        chain.append((document, key))
        document = inner
    chain.append((document, parts[-1]))
    return chain, parts[-1]


def _rebuilt(chain: _Chain, innermost: Json) -> Json:
    for holder, key in reversed(chain[:-1]):
        if isinstance(holder, Mapping):
            innermost = {**holder, key: innermost}
        else:
            innermost = [*holder[:key], innermost, *holder[key + 1 :]]
    return innermost


def _added(holder: Json, key: str, value: Json, path: str, operation: str = "add") -> Json:
    if isinstance(holder, Mapping):
        return {**holder, key: value}
    wrong = (
        "error while adding value during copy" if operation == "copy" else f"error in {operation} for path: '{path}'"
    )
    if key == "-":
        return [*holder, value]
    try:
        number = int(key)
    except ValueError as error:
        raise PatchFailed(f"{wrong}: value was not a proper array index: '{key}': {_not_a_number(key)}") from error
    size = len(holder) + 1
    if number >= size or number < -size:
        raise PatchFailed(f"{wrong}: Unable to access invalid index: {number}: invalid index referenced")
    index = number + size if number < 0 else number
    return [*holder[:index], value, *holder[index:]]


def _removed(holder: Json, key: str, wrong: str) -> Json:
    if isinstance(holder, Mapping):
        if key not in holder:
            raise PatchFailed(f"{wrong}: Unable to remove nonexistent key: {key}: missing value")
        return {name: kept for name, kept in holder.items() if name != key}
    try:
        index = _index(key, len(holder))
    except PatchFailed as refused:
        raise PatchFailed(f"{wrong}: {refused}") from refused
    return [*holder[:index], *holder[index + 1 :]]


def _got(holder: Json, key: str, wrong: str) -> Json:
    if isinstance(holder, Mapping):
        return holder.get(key, _MISSING)
    try:
        return holder[_index(key, len(holder))]
    except PatchFailed as refused:
        raise PatchFailed(f"{wrong}: {refused}") from refused


def _index(key: str, length: int) -> int:
    try:
        number = int(key)
    except ValueError as error:
        raise PatchFailed(_not_a_number(key)) from error
    if not -length <= number < length:
        raise PatchFailed(f"Unable to access invalid index: {number}: invalid index referenced")
    return number + length if number < 0 else number


def _not_a_number(key: str) -> str:
    return f'strconv.Atoi: parsing "{key}": invalid syntax'


def _same(left: Json, right: Json) -> bool:
    """Equal as JSON texts: `1` is neither `true` nor `1.0`."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Mapping):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def difference(before: Json, after: Json, path: Sequence[str | int] = ()) -> list[JsonObject]:
    """The operations that make `after` of `before`; none where they are equal."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _members(before, after, path)
    if isinstance(before, list) and isinstance(after, list):
        return _items(before, after, path)
    return [] if _same(before, after) else [{"op": "replace", "path": _pointer(path), "value": after}]


def _members(before: Json, after: Json, path: Sequence[str | int]) -> list[JsonObject]:
    made: list[JsonObject] = []
    for name, held in before.items():
        at = (*path, name)
        if name not in after:
            made.append({"op": "remove", "path": _pointer(at)})
        elif held is not after[name]:
            made += difference(held, after[name], at)
    added = [name for name in after if name not in before]
    return made + [{"op": "add", "path": _pointer((*path, name)), "value": after[name]} for name in added]


def _items(before: Sequence[Json], after: Sequence[Json], path: Sequence[str | int]) -> list[JsonObject]:
    made: list[JsonObject] = []
    for index, (held, wanted) in enumerate(zip(before, after, strict=False)):
        made += difference(held, wanted, (*path, index))
    for index in range(len(before) - 1, len(after) - 1, -1):
        made.append({"op": "remove", "path": _pointer((*path, index))})
    return made + [{"op": "add", "path": _pointer((*path, "-")), "value": item} for item in after[len(before) :]]


def _pointer(path: Sequence[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
