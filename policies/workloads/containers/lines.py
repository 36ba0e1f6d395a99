"""Command lines in which every word stands as it is written: no blanks, no variables, no scripts. Many are such.

Guarantees: what such a line says is what its words say when each is read with care; only that most words mean nothing
to anybody, and that is seen at a glance, for all words and facts at once. A glance may take a word for more than it is,
never for less. A line that isn't such is none here, and is left to `arguments`.
"""

import re
from functools import cache
from typing import Any, NamedTuple

from policies.json import Json, JsonObject
from policies.remembered import remembered
from policies.workloads.commands.arguments import INTERPRETER, Word, program
from policies.workloads.commands.commands import naming_words
from policies.workloads.commands.scripts import VERSION, telling_names
from policies.workloads.reach.addresses import may_lead
from policies.workloads.reach.buckets import may_store
from policies.workloads.reach.contacts import sending_names

_LONGEST, _MOST = 4096, 64  # characters and words of a line; longer ones are read with care
_CODE = re.compile(r"\n(?:-[A-Za-z]*[ce]|--eval|--print|-p)(?=\n|\Z)")  # as `CODE_FLAG`, among the words of a line


class Line:
    """The words of a command line, and which of them are worth a closer look."""

    __slots__ = ("_names", "_paths", "_whole", "words")

    def __init__(self, words: list[Word], whole: str) -> None:
        """`whole` is the words, each behind a newline."""
        self.words = words
        self._whole = whole
        self._names = [text.partition("=")[0].rstrip(VERSION) for text in whole[1:].replace("_", "-").split("\n")]
        self._paths: list[str] = []  # what stands behind the last slash of values of flags
        if "/" in whole:
            for at, (text, _) in enumerate(words):
                if "/" in text:
                    name = _normal(program(text))
                    if text[:1] == "-":
                        self._paths.append(name)
                    else:
                        self._names[at] = name

    @property
    def begins_bare(self) -> bool:
        """Whether the first word isn't a flag."""
        return bool(self.words) and self.words[0][0][:1] != "-"

    def is_plain(self) -> bool:
        """Whether surely nothing on the line runs text or reads its arguments elsewhere; see `scripts.is_plain`."""
        running, names = _glance().running, self._names
        if not running.isdisjoint(self._paths):
            return False
        if running.isdisjoint(names):
            return True
        first = INTERPRETER.fullmatch(program(self.words[0][0]))
        return first is not None and running.isdisjoint(names[1:]) and not _CODE.search(self._whole)

    def naming(self) -> list[int]:
        """Where the words stand that may name a model."""
        naming, addressed = _glance().naming, "://" in self._whole
        if not addressed and naming.isdisjoint(self._names):
            return []
        names = enumerate(self._names)
        return [at for at, name in names if name in naming or (addressed and "://" in self.words[at][0])]

    def leading(self) -> list[int]:
        """Where the words stand that may lead somewhere, or send what follows."""
        sending = _glance().sending
        if not sending.isdisjoint(self._names) or not sending.isdisjoint(self._paths):
            return list(range(len(self.words)))
        if "/dev/" in self._whole or ("=" in self._whole and _names_within(self.words)):
            return list(range(len(self.words)))
        marked = [at for at, (text, _) in enumerate(self.words) if ":" in text or "." in text]
        return [at for at in marked if self._leads(at)]

    def stores(self) -> bool:
        """Whether a flag may name a bucket, a region or an account of a store."""
        return may_store(self._whole)

    def _leads(self, at: int) -> bool:
        """Whether a word with a colon or a dot may lead somewhere: by its own flag, or by the one before it."""
        text = self.words[at][0]
        if ":" in text:
            return True
        if text[:1] == "-":
            name, _, value = text.partition("=")
            return value[:1] in ("-", ".", "/") or may_lead(name.lstrip("-"), value)
        before = self.words[at - 1][0] if at else ""
        return may_lead("" if text[:1] in (".", "/") or before[:1] != "-" else before.lstrip("-"), text)


def _names_within(words: list[Word]) -> bool:
    """Whether a flag's value has a name in it, or what isn't a flag has a value."""
    return any("=" in text and (text[:1] != "-" or text.count("=") > 1) for text, _ in words)


def literal(container: JsonObject, where: str) -> Line | None:
    """The line that a container's command and arguments are, if every word of it stands as it is written."""
    command, arguments = _texts(container.get("command")), _texts(container.get("args"))
    if command is None or arguments is None or "script" in container or "source" in container:
        return None
    texts = ["", *command, *arguments]
    if len(texts) > _MOST:
        return None
    try:
        whole = "\n".join(texts)
    except TypeError:  # not all are texts
        return None
    if "$" in whole or " " in whole or "\t" in whole or "\0" in whole or len(whole) > _LONGEST:
        return None
    if whole.count("\n") >= len(texts):
        return None
    paths = _numbered((f"{where}command", len(command))) + _numbered((f"{where}args", len(arguments)))
    return Line(list(zip(texts[1:], paths, strict=True)), whole)


def _texts(said: Json) -> list[Any] | None:
    """The elements of a list, whatever they are; None for a text, which is a script."""
    if isinstance(said, list):
        return said
    return None if isinstance(said, str) else []


@remembered(1024, longest=128)  # containers stand at few places, and lines are of few lengths
def _numbered(of: tuple[str, int]) -> tuple[str, ...]:
    """The paths of the elements of a list: that of the list, and how many."""
    path, count = of
    return tuple(f"{path}[{index}]" for index in range(count))


def _normal(name: str) -> str:
    """A name as it is compared at a glance: without version, and however it is joined."""
    return name.replace("_", "-").rstrip(VERSION)


class _Glance(NamedTuple):
    """What words mean, by their names in normal form."""

    naming: frozenset[str]  # flags that name models, however they begin, and commands
    sending: frozenset[str]
    running: frozenset[str]


@cache
def _glance() -> _Glance:
    return _Glance(*(frozenset(map(_normal, names)) for names in (naming_words(), sending_names(), telling_names())))
