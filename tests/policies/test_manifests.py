"""Manifests are read as kubectl reads them, with positions, within bounds, and one bad document costs only itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.manifests import Document, Unreadable, read_documents
from policies.manifests.scalars import whole
from policies.manifests.yaml_values import MOST_DEEP, Fault, yaml_values

VECTORS = Path(__file__).parents[1] / "vectors" / "manifests" / "kubectl.jsonl"
SAMPLES = Path(__file__).parents[3] / "shared" / "corpora" / "workload-samples"


def read(text: str | bytes) -> list[Document | Unreadable]:
    """Everything that a text gives."""
    return list(read_documents(text, "f.yaml"))


def one(text: str | bytes) -> Document:
    """The only document of a text."""
    (found,) = read(text)
    assert isinstance(found, Document), found
    return found


def bad(text: str | bytes) -> Unreadable:
    """The only problem of a text that gives no document."""
    (found,) = read(text)
    assert isinstance(found, Unreadable), found
    return found


def told(text: str | bytes) -> list[object]:
    """The values that a text gives, and for what is unreadable, its line."""
    return [found.value if isinstance(found, Document) else found.line for found in read(text)]


# --- as kubectl


def vectors() -> list[dict[str, Any]]:
    """What Kubernetes clients make of each text."""
    return [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").split("\n") if line]


def test_as_kubectl() -> None:
    """Every text gives what kubectl makes of it, or is refused: where kubectl refuses or would round a key."""
    wrong, refused = [], 0
    for vector in vectors():
        ours = value_of(vector["yaml"])
        if isinstance(ours, Fault) and "can't be a key" in ours.message:
            refused += 1
        elif isinstance(ours, Fault) or "error" in vector:
            if not (isinstance(ours, Fault) and "error" in vector) and "no number that JSON has" not in str(ours):
                wrong.append((vector, ours))
        elif exact(ours) != exact(vector["json"]):
            wrong.append((vector, ours))
    assert not wrong
    assert refused <= 100  # all of them keys with a fraction or an exponent


def value_of(text: str) -> Any:
    """The first value of a text, or why there is none."""
    try:
        return next((value for _, value in yaml_values(text.encode())), None)
    except Fault as fault:
        return fault


def exact(value: Any) -> Any:
    """A value in which 1, 1.0 and true are three things, after numbers took the form that JSON gives them."""
    if isinstance(value, dict):
        return {name: exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        value = float(value)
    return (type(value).__name__, value) if not isinstance(value, float) else ("number", whole(value))


# --- documents of a stream


def test_streams() -> None:
    """Documents are divided by markers, empty ones left out, and comments, directives and endings are no documents."""
    text = "# licence\n---\na: 1\n---\n---\n# nothing\n--- # a remark\nb: 2\n...\n---\n~\n...\n"
    text += "# x\n%YAML 1.1\n---\nc: 3\n"
    assert told(text) == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_markers_inside_text() -> None:
    """What looks like a marker inside a block scalar or after an indent divides nothing."""
    assert told("a: |\n  x\n  ---\n  y\nb: '---'\nc: ----\n") == [{"a": "x\n---\ny\n", "b": "---", "c": "----"}]


def test_rest_is_read() -> None:
    """Documents before, between and after unreadable ones are read, and the problems stand at their lines."""
    text = "a: 1\n---\nb: [\n---\nc: 3\n---\n\td: 4\n---\ne: 'x\n---\nf: 6\n"
    assert told(text) == [{"a": 1}, 4, {"c": 3}, 7, 10, {"f": 6}]


def test_windows_lines() -> None:
    """Lines that end as on Windows, and a byte order mark, change nothing."""
    assert told(b"\xef\xbb\xbfa: 1\r\n---\r\nb: |\r\n  x\r\n  y\r\n") == [{"a": 1}, {"b": "x\ny\n"}]


def test_helm_origin() -> None:
    """Helm's note about the file that a document came from is kept."""
    text = "---\n# Source: chart/a.yaml\nkind: A\n---\nkind: B\n---\n# x\n# Source: chart/templates/c.yaml\nkind: C\n"
    assert [found.origin for found in read(text) if isinstance(found, Document)] == [
        "chart/a.yaml",
        "",
        "chart/templates/c.yaml",
    ]


def test_json() -> None:
    """JSON is read as JSON: one object, several one after the other, or one after a marker."""
    assert told('{"a": 1}') == [{"a": 1}]
    assert told('{"a": 1}\n{"b": 2}{"c": 3}\n') == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert told('---\n# x\n{"a": "y\\u00e9\\/"}\n---\n{"b": 2}\n') == [{"a": "yé/"}, {"b": 2}]
    assert told('\t{\n\t\t"a": 1\n\t}\n') == [{"a": 1}]


def test_bad_json_in_a_stream() -> None:
    """A bad line among lines of JSON costs only itself."""
    assert told('{"a": 1}\n{"b": }\n{"c": 3}\n{"d": NaN}\n{"e": 5}\n') == [{"a": 1}, 2, {"c": 3}, 4, {"e": 5}]


def test_yaml_that_begins_with_a_brace() -> None:
    """A mapping in braces that is no JSON may be YAML."""
    assert told("{a: 1, b: [yes]}") == [{"a": 1, "b": [True]}]


def test_numbers_of_json() -> None:
    """Numbers in JSON come out as Kubernetes reads them."""
    found = one('{"a": 1.0, "b": 1e3, "c": 9223372036854775808, "d": -0.0, "e": 1.5, "f": -9223372036854775808}').value
    assert exact(found) == exact({"a": 1, "b": 1000, "c": 2.0**63, "d": 0, "e": 1.5, "f": -(2**63)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": NaN}', "`NaN` is no number that JSON has"),
        ('{"a": -Infinity}', "`-Infinity` is no number that JSON has"),
        ('{"a": 1e999}', "the number `1e999` is too large"),
        ('{"a": ' + "9" * 400 + "}", "the number `99999999999999999999` is too large"),
        ('{"a": ' + "9" * 5000 + "}", "the number `99999999999999999999` is too large"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key `c` is there twice"),
        ('{"a": "\\ud800"}', "half of a surrogate pair is no character"),
        ('{"a": 1', "expecting ',' delimiter"),
    ],
)
def test_json_refused(text: str, words: str) -> None:
    """What JSON doesn't have, what nobody can mean, and what is cut off is refused."""
    assert bad(text).message == words


# --- lists


LIST = """# header
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: a
- 5
- apiVersion: v1
  kind: PodList
  items:
  - metadata:
      name: b
    spec: {}
"""


def test_lists() -> None:
    """A List gives its items, however deep; items of a typed list have its kind; what is no object is named."""
    first, wrong, second = read(LIST)
    assert isinstance(first, Document)
    assert isinstance(wrong, Unreadable)
    assert isinstance(second, Document)
    assert (first.line, first.value["kind"], first.position(("metadata", "name"))) == (5, "ConfigMap", 8)
    assert (wrong.line, wrong.message) == (9, "expected an object, not a single value")
    assert second.value == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}, "spec": {}}
    assert (second.line, second.position(("metadata", "name")), second.position(("kind",))) == (13, 14, 13)


def test_lists_in_json() -> None:
    """Positions count in JSON as they do in YAML."""
    text = '{\n "kind": "List",\n "items": [\n  {"kind": "A",\n   "x": "\\"}{\\n",\n   "b": [1,\n    2]}\n ]\n}\n'
    found = one(text)
    assert (found.line, found.position(("kind",)), found.position(("b", 1)), found.position(("x",))) == (4, 4, 7, 5)


@pytest.mark.parametrize(
    "text", ["kind: List\nitems: {}\n", "kind: List\n", "kind: Pod\nitems: [{}]\n", "items: [1]\n"]
)
def test_not_lists(text: str) -> None:
    """What only resembles a list is an object."""
    assert one(text).value == yaml.safe_load(text)


# --- positions


MANIFEST = """# a comment
apiVersion: v1
kind: Pod
metadata:
  labels: {app: x,
    tier: y}
spec:
  containers:
  - name: a
    args: [
      one,
      two]
  - name: b
    env: &env
    - name: X
      value: |
        several
        lines
  - env: *env
    1: numbered
    2: [1.5, ~, .5]
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("kind",), 3),
        (("metadata", "labels", "tier"), 6),
        (("spec", "containers"), 8),
        (("spec", "containers", 0), 9),
        (("spec", "containers", 0, "args", 1), 12),
        (("spec", "containers", 1, "env", 0, "value"), 16),
        (("spec", "containers", 2, "env"), 19),
        (("spec", "containers", 2, "env", 0, "name"), 19),
        (("spec", "containers", 2, "1"), 20),
        (("spec", "containers", 7), 8),
        (("spec", "nothing", "here"), 7),
    ],
)
def test_positions(path: tuple[str | int, ...], line: int) -> None:
    """A path leads to the line of its key or item; one that isn't written down, to the nearest above it."""
    assert one(MANIFEST).position(path) == line
    assert one("x: 1\n---\n" * 0 + MANIFEST).line == 2


def test_positions_after_other_documents() -> None:
    """Lines count from the beginning of the source."""
    *_, last = read("a: 1\n---\nb: |\n  x\n---\n\nc:\n  d: 1\n")
    assert isinstance(last, Document)
    assert (last.line, last.position(("c", "d"))) == (7, 8)


# --- what is refused, and how


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        ("a: b: c\n", (1, 5), "mapping values are not allowed in this context", "needs quotes"),
        ("a:\n\tb: 1\n", (2, 1), "found character that cannot start any token", "spaces instead of tabs"),
        ("a: 1\na: 2\n", (2, 1), "the key `a` is there twice", "keep one"),
        ("1: a\n'1': b\n", (2, 1), "the key `1` is there twice", "keep one"),
        ("a: .nan\n", (1, 4), "`.nan` is no number that JSON has", "quotes"),
        ("a: {~: 1}\n", (1, 5), "null can't be a key", "quotes"),
        ("1.5: a\n", (1, 1), "the number `1.5` can't be a key", "quotes"),
        ("a: *b\n", (1, 4), "unknown anchor `b`", "in quotes"),
        ("a: &b [*b]\n", (1, 8), "the anchor `b` contains itself", ""),
        ("a: {{ .Values.x }}\n", (1, 5), "a mapping or a list can't be a key", "helm template"),
        ("{{- if .x }}\na: 1\n", (1, 2), "expecting property name enclosed in double quotes", "helm template"),
        ("- a\n", (1, 1), "expected an object, not a list", "items"),
        ("just text\n", (1, 1), "expected an object, not text", ""),
        (b"a: 1\nb: \xff\n", (2, 4), "the text is not UTF-8", "save it as UTF-8"),
        ("a: 1\n".encode("utf-16"), (1, 1), "the text is UTF-16", "save it as UTF-8"),
        (b"a: 1\nb: \x00\n", (2, 4), "control characters are not allowed", ""),
        ("a: 'b\n", (2, 1), "found unexpected end of stream", "close the quotes"),
    ],
)
def test_refused(text: str | bytes, place: tuple[int, int], words: str, hint: str) -> None:
    """What can't be read is named with line, column and what to do."""
    found = bad(text)
    assert ((found.line, found.column), found.message) == (place, words)
    assert hint in found.hint


def test_voice() -> None:
    """An unreadable stretch reads as one line with its place."""
    assert str(bad("a: 1\na: 2\n")) == "f.yaml:2:1: the key `a` is there twice"


@pytest.mark.parametrize("levels", [MOST_DEEP + 1, 10_000, 300_000])
@pytest.mark.parametrize("shape", ["[{}", "{{a: {}", "- {}", '{{"a":{}', "? {}"])
def test_depth(shape: str, levels: int) -> None:
    """What nests too deeply is refused, whatever nests."""
    opening = shape.replace("{{", "{").replace("{}", "")
    found = read(opening * levels)
    assert len(found) == 1
    assert isinstance(found[0], Unreadable)


def test_allowed_depth() -> None:
    """What nests as deeply as is allowed can be written as JSON by everybody."""
    text = '{"a":' * MOST_DEEP + "1" + "}" * MOST_DEEP
    assert orjson.dumps(one(text).value) == text.encode()
    assert one(text.replace('"', "").replace(":", ": ")).value == one(text).value


def test_laughs() -> None:
    """Aliases of aliases that stand for a billion values are refused at once, in lists, mappings and texts."""
    shapes = ("[" + ", ".join(["*{0}"] * 9) + "]", "{{a: *{0}, b: *{0}, c: *{0}, d: *{0}, e: *{0}, f: *{0}}}")
    for shape in shapes:
        text = "l0: &l0 [lol]\n" + "".join(f"l{n + 1}: &l{n + 1} {shape.format(f'l{n}')}\n" for n in range(12))
        assert "expand to more than" in bad(text).message
    text = f"t: &t {'x' * 1_000_000}\nall: [{', '.join(['*t'] * 1000)}]\n"
    assert "expand to more than" in bad(text).message


def test_honest_aliases() -> None:
    """Aliases as people use them are fine, and merged keys are as kubectl has them: what comes later wins."""
    text = "base: &base {a: 1, b: 2}\none: {<<: *base, b: 3}\ntwo: {b: 3, <<: *base}\nthree: [*base, *base]\n"
    assert one(text).value == {
        "base": {"a": 1, "b": 2},
        "one": {"a": 1, "b": 3},
        "two": {"a": 1, "b": 2},
        "three": [{"a": 1, "b": 2}] * 2,
    }


# --- properties


@given(st.binary(max_size=300) | st.text(max_size=300))
@example(b"\xff\xfe")
@example("\ud800")
@example(b"%\n---\n")
@settings(max_examples=500, deadline=None)
def test_total(text: str | bytes) -> None:
    """Whatever the text is, it gives documents and reasons, and every position asked of a document is a line."""
    for found in read(text):
        assert found.source == "f.yaml"
        if isinstance(found, Document):
            assert found.position(("a", 0, "b")) >= found.position(()) >= 1
            assert orjson.dumps(found.value) is not None
        else:
            assert found.message


WORDS = ("a:", "b:", "-", ",", "&a", "*a", "<<:", "?", ":", "{{", "!!str", "!!int")
LINES = ("# c", "|", "---", "...", "kind: List", "items:", "%YAML 1.1", '{"a":1}', "no", "1.5", "\r")
FRAGMENTS = st.sampled_from(
    [*'"{}[]x\n\t', "  ", "'q'", *(f"{word} " for word in WORDS), *(f"{line}\n" for line in LINES)]
)


@given(st.lists(FRAGMENTS, max_size=25).map("".join))
@settings(max_examples=1000, deadline=None)
def test_total_on_likely_text(text: str) -> None:
    """The same for texts that look like manifests."""
    test_total.hypothesis.inner_test(text)  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=5)


def as_json(value: Any) -> Any:
    """The value after numbers took the form that JSON gives them."""
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    return whole(value) if isinstance(value, float) else value


@given(OBJECTS)
@settings(deadline=None)
def test_json_both_ways(value: dict[str, Any]) -> None:
    """An object written as JSON, in one line or many, is read back as it was."""
    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False), json.dumps(value, indent="\t")):
        assert exact(one(text).value) == exact(as_json(value))


@given(OBJECTS)
@settings(deadline=None)
def test_yaml_both_ways(value: dict[str, Any]) -> None:
    """An object written as YAML by somebody else, and what it reads there, is what we read."""
    text = yaml.dump(value, Dumper=yaml.CSafeDumper, allow_unicode=True)
    theirs = yaml.load(text, Loader=yaml.CSafeLoader)
    found = value_of(text)
    if unlike_go(theirs):
        return
    assert exact(found) == exact(as_json(theirs))


def unlike_go(value: Any) -> bool:
    """Does it hold text that kubectl takes for something else than the writer does? (`y`, `0o17`, `1e3` ...)"""
    if isinstance(value, dict):
        return any(unlike_go(name) or unlike_go(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(unlike_go(inner) for inner in value)
    return isinstance(value, str) and value_of(f"- {value}") != [value]


BROKEN = st.sampled_from(["a: [", "'", "\t", "a: b: c", "{"])


@given(st.lists(OBJECTS, min_size=1, max_size=4), st.integers(0, 4), BROKEN)
@settings(deadline=None)
def test_bad_neighbours(values: list[dict[str, Any]], index: int, broken: str) -> None:
    """A broken document anywhere in a stream leaves all others as they are."""
    parts = [json.dumps(value) for value in values]
    parts.insert(index, broken)
    found = read("\n---\n".join(parts))
    good = [exact(one.value) for one in found if isinstance(one, Document)]
    assert good == [exact(as_json(value)) for value in values]
    assert len(found) == len(values) + 1


def test_real_manifests() -> None:
    """Manifests of some fifty projects give objects of which another reader says the same."""
    if not SAMPLES.is_dir():
        pytest.skip("needs the workload samples beside the checkout")
    read_, differing = 0, []
    for path in sorted(SAMPLES.rglob("*.yaml")):
        found = read(path.read_bytes())
        if any(isinstance(one, Unreadable) for one in found):
            continue
        ours = [exact(one.value) for one in found if isinstance(one, Document) and not one.path]
        theirs = [exact(as_json(one)) for one in yaml.load_all(path.read_text(), yaml.CSafeLoader) if one]
        theirs = [one for one in theirs if not str(one.get("kind")).endswith("List")]
        read_ += len(ours)
        differing += [path.name] if ours != theirs else []
    assert read_ > 700
    assert differing == []
