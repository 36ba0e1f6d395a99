"""Models that a command line names: by a flag, as the word behind a command, or by an address that only models have.

Guarantees: linear in the words, never raises; a revision counts only when every word that says one says a commit.
What a program reads from files is not visible.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import orjson

from policies.remembered import remembered
from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import END, Word, flag, is_open, program, value_after
from policies.workloads.names.references import Model, is_commit, looks_like_reference, parse_model, scheme_of

_BEGINNING = len("--model-p")  # what is shorter may be many flags
_LONGEST = 64  # characters of a flag; whatever is longer is none that is known
_LOOK_AHEAD = 64  # words behind a command in which its model stands


def models_of_words(words: list[Word], serves: bool) -> list[Model]:
    """The models that command lines name. `serves` says that the program is a model server even if it isn't named.

    A revision counts for its own command only: one that another command is given pins nothing here.
    """
    found: list[Model] = []
    begin = 0
    for index, (text, _) in enumerate([*words, (END, "")]):
        if text == END:
            found += models_of_command(words[begin:index], serves and begin == 0)
            begin = index + 1
    return found


def models_of_command(words: list[Word], serves: bool, naming: Sequence[int] | None = None) -> list[Model]:
    """Those that one command names. `naming` is where words stand that may name one, if somebody has looked."""
    found: list[Model] = []
    taken: set[int] = set()
    commands, revisions = _commands(), Revisions(words)
    for index in range(len(words)) if naming is None else naming:
        text, path = words[index]
        if index in taken:
            continue
        if text[:1] == "-":
            name, joined, value = text.partition("=")
            rule = _rule(name[:_LONGEST])
            if rule:
                word = (value, path) if joined else value_after(words, index)
                if word is not None and not ("not_after" in rule and _means_else(rule, words, index)):
                    found += _flag_models(rule, word, words, index, revisions)
                    taken.update(() if joined else (index + 1,))
            continue
        first = text.rpartition("/")[2] if "/" in text else text
        command = _command(first, words, index) if first in commands else None
        if command is not None:
            found += _command_models(*command, words, taken, revisions)
        elif "://" in text and is_model_address(text):
            found.append(parse_model(_after_equals(text), path, revisions.of(_any_revision())))
    if serves and words and 0 not in taken and words[0][0][:1] != "-" and _is_bare_model(words[0][0]):
        found.insert(0, parse_model(*words[0], revisions.of(("--revision",))))
    return found


class Revisions:
    """The revisions a command line says, by flag; looked for when first asked."""

    __slots__ = ("_said", "_words")

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._said: dict[str, str] | None = None

    def of(self, names: Sequence[str]) -> str:
        """The revision that the flags say: one that isn't a commit counts first; empty when none is said."""
        if self._said is None:
            self._said = self._read()
        said = [self._said[name] for name in names if name in self._said]
        if len(self._said) > len(said):
            beside = (self._said[name] for name in table("models")["beside_revision"] if name in self._said)
            if moving := next((value for value in beside if not is_commit(value)), ""):
                return moving  # code or tokenizer that can change
        return next((value for value in said if not is_commit(value)), said[-1] if said else "")

    def _read(self) -> dict[str, str]:
        said: dict[str, str] = {}
        for index in [at for at, (text, _) in enumerate(self._words) if "rev" in text]:
            name, joined = flag(self._words[index][0])
            for whole in _revisions_meant(name) if name else ():
                following = value_after(self._words, index) if joined is None else None
                value = joined if joined is not None else following[0] if following else ""
                if is_commit(said.get(whole) or value):
                    said[whole] = value
                else:
                    said.setdefault(whole, value)
        return said


def named(text: str, path: str, revision: str = "", scheme: str = "") -> Model:
    """The model that a text names; of scheme `unknown` when the text holds what nobody can see here."""
    if is_open(text):
        return {**parse_model("", path, revision), "reference": text, "scheme": "unknown", "pinned": False}
    return parse_model(text, path, "" if is_open(revision) else revision, scheme=scheme)


def unreadable(what: str, path: str) -> Model:
    """What runs that nobody can read here: it may load any model."""
    return {**parse_model("", path), "reference": what, "scheme": "unknown", "pinned": False}


def is_model_address(text: str) -> bool:
    """Whether a word holds a URI that only models have."""
    address = _after_equals(text)
    scheme, rules = scheme_of(address), table("models")
    if scheme in rules["always_models"]:
        return True
    return scheme in rules["schemes"] and any(mark in address for mark in rules["urls"])


@cache
def _flags() -> dict[str, Any]:
    return {name.replace("_", "-"): row for row in table("models")["flags"] for name in row["names"]}


@remembered(4096)  # programs have few flags
def _rule(name: str) -> Any:
    """What a flag of this name says; None for most."""
    return _flags().get(name.replace("_", "-")) or _begun(name)


def naming_words() -> Iterator[str]:
    """The words that may name a model, or begin a command that does: flags, all beginnings of flags, programs."""
    for whole in _flags():
        yield from (whole[:end] for end in range(min(_BEGINNING, len(whole)), len(whole) + 1))
    yield from _commands()


def _begun(name: str) -> Any:
    """The flag that is written by its beginning only, as Python's argument parser takes it."""
    if len(name) < _BEGINNING:
        return None
    name = name.replace("_", "-")
    rows = (row for whole, row in _flags().items() if whole.startswith(name) and row.get("form") != "skip")
    return next(({**row, "loose": True} for row in rows), None)


@cache
def _commands() -> dict[str, list[Any]]:
    first: dict[str, list[Any]] = {}
    for row in table("models")["commands"]:
        first.setdefault(row["words"][0], []).append(row)
    return first


@cache
def _revision_flags() -> tuple[str, ...]:
    rows = [*table("models")["flags"], *table("models")["commands"], {"revision": table("models")["beside_revision"]}]
    return tuple(dict.fromkeys(name for row in rows for name in row.get("revision", ())))


@remembered(256)
def _revisions_meant(name: str) -> tuple[str, ...]:
    """Python's argument parser takes any unambiguous beginning of a flag for the flag."""
    begun = len(name) > len("--re")
    return tuple(whole for whole in _revision_flags() if whole == name or (begun and whole.startswith(name)))


@cache
def _any_revision() -> tuple[str, ...]:
    return tuple(table("models")["any_revision"])


def _is_bare_model(text: str) -> bool:
    """A model's reference that isn't known for one by its address already."""
    return looks_like_reference(text) and not is_open(text) and not ("://" in text and is_model_address(text))


def _means_else(rule: Any, words: list[Word], index: int) -> bool:
    """`python -m module` isn't a model: the same letters mean other things to other programs."""
    return index > 0 and program(words[index - 1][0]).rstrip("0123456789.") in rule["not_after"]


def _flag_models(rule: Any, value: Word, words: list[Word], index: int, revisions: Revisions) -> Iterable[Model]:
    text, path = value
    form = rule.get("form", "")
    if form == "skip" or not text or (rule.get("loose") and not looks_like_reference(text)):
        return ()
    if form == "json" or text[0] == "{":
        return _json_models(text, path)
    if form == "adapters":
        return _adapters(words, index, value)
    if form == "quantized":
        return (named(text.partition(":")[0], path),)
    return (named(text, path, revisions.of(rule.get("revision", ())), rule.get("scheme", "")),)


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
                    yield named(name, path, revision if isinstance(revision, str) else "")


def _adapters(words: list[Word], index: int, value: Word) -> Iterator[Model]:
    """`--lora-modules a=org/x b=org/y`: all words up to the next flag."""
    following = [value]
    if "=" not in words[index][0]:
        at = index + 2
        while at < len(words) and words[at][0] != END and not words[at][0].startswith("-"):
            following.append(words[at])
            at += 1
    for text, path in following:
        if text[:1] in ("{", "["):
            yield from _json_models(text, path)
        else:
            for one in text.split(","):
                reference = one.partition("=")[2] or one
                if looks_like_reference(reference) or is_open(reference):
                    yield named(reference, path)


def _command(first: str, words: list[Word], index: int) -> tuple[Any, int] | None:
    """The row of the command that begins at a word, the longest first, and where its own words end."""
    best: tuple[Any, int] | None = None
    for row in _commands()[first]:
        end = index + len(row["words"])
        if [text for text, _ in words[index + 1 : end]] == row["words"][1:] and (best is None or end > best[1]):
            best = row, end
    return best


def _command_models(
    row: Mapping[str, Any], end: int, words: list[Word], taken: set[int], revisions: Revisions
) -> Iterator[Model]:
    """The first bare word behind a command; a word behind a flag is that flag's unless the flag is joined."""
    before = ""
    for index in range(end, min(end + _LOOK_AHEAD, len(words))):
        text, path = words[index]
        if text == END:
            return
        named_by, joined = flag(text)
        if named_by in row.get("flags", ()):
            value = (joined, path) if joined is not None else value_after(words, index)
            if value is not None:
                yield named(*value, "", row.get("scheme", ""))
            return
        bare = not text.startswith("-") and not row.get("flags") and not (before.startswith("-") and "=" not in before)
        if bare and (not row.get("loose") or scheme_of(text)):
            if row.get("loose") and scheme_of(text) in ("https", "http") and not is_model_address(text):
                return
            taken.add(index)
            revision = revisions.of(row.get("revision", ("--revision",)))
            yield named(text, path, revision, row.get("scheme", ""))
            return
        before = text


def _after_equals(text: str) -> str:
    """`MODEL=hf://a/b` and `--x=hf://a/b`: the reference alone."""
    return text[text.rfind("=", 0, text.find("://")) + 1 :]


@cache
def servers() -> re.Pattern[str]:
    """Parts of the names of images whose first argument is a model."""
    return re.compile("|".join(map(re.escape, table("models")["servers"])))
