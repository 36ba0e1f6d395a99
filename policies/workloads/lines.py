"""Command lines in which every word stands as it is written: no blanks, no variables, no scripts. Many are such.

Guarantees: what such a line says is what its words say when each is read with care; only that most words mean nothing
to anybody, and that is seen at a glance, once for all facts. Names of flags and programs are few in a cluster, so what
they may mean is remembered. A line that isn't such is none here, and is left to `arguments`.
"""

from functools import cache, lru_cache
from typing import Any

from policies.json import Json, JsonObject
from policies.workloads.arguments import CODE_FLAG, INTERPRETER, Word
from policies.workloads.commands import command_names, takes_model
from policies.workloads.contacts import sending_names
from policies.workloads.scripts import VERSION, telling_names

MODEL, SENDS, RUNS, INTERPRETS, CODE = 1, 2, 4, 8, 16  # what a word may mean; bits of one number
_LONGEST = 4096  # characters of a line, so that what is remembered of names is bounded


class Line:
    """The words of a command line, and which of them are worth a closer look."""

    __slots__ = ("_marks", "words")

    def __init__(self, words: list[Word], marks: list[int]) -> None:
        self.words = words
        self._marks = marks

    @property
    def begins_bare(self) -> bool:
        """Whether the first word isn't a flag."""
        return bool(self.words) and self.words[0][0][:1] != "-"

    def is_plain(self) -> bool:
        """Whether surely nothing on the line runs text or reads its arguments elsewhere; see `scripts.is_plain`."""
        marks = self._marks
        for index, mark in enumerate(marks):
            if mark & RUNS and (index or not mark & INTERPRETS or any(other & CODE for other in marks)):
                return False
        return True

    def naming(self) -> list[int]:
        """Where the words stand that may name a model."""
        return [at for at, (text, _) in enumerate(self.words) if self._marks[at] & MODEL or "://" in text]

    def leading(self) -> list[int]:
        """Where the words stand that may lead somewhere, or send what follows."""
        return [
            at
            for at, (text, _) in enumerate(self.words)
            if "." in text or ":" in text or self._marks[at] & SENDS or "/dev/" in text
        ]


def literal(container: JsonObject, where: str) -> Line | None:
    """The line that a container's command and arguments are, if every word of it stands as it is written."""
    command, arguments = _texts(container.get("command")), _texts(container.get("args"))
    if command is None or arguments is None or "script" in container or "source" in container:
        return None
    texts = command + arguments
    try:
        whole = "\n".join(texts)
    except TypeError:  # not all are texts
        return None
    if "$" in whole or " " in whole or "\t" in whole or "\0" in whole or len(whole) > _LONGEST:
        return None
    if whole.count("\n") >= max(len(texts), 1):
        return None
    words = [(text, f"{where}command[{index}]") for index, text in enumerate(command)]
    words += [(text, f"{where}args[{index}]") for index, text in enumerate(arguments)]
    return Line(words, _marks(texts) if "/" in whole else [_meaning(text.partition("=")[0]) for text in texts])


def _marks(texts: list[str]) -> list[int]:
    """What each word may mean by its name, or by what stands behind its last slash, as of programs by their path."""
    known = _known()
    marks = []
    for text in texts:
        mark = _meaning(text.partition("=")[0])
        if "/" in text:
            name = text.rpartition("/")[2]
            mark |= _meaning(name) if name in known or name.rstrip(VERSION) in known else 0
        marks.append(mark)
    return marks


def _texts(said: Json) -> list[Any] | None:
    """The elements of a list, whatever they are; None for a text, which is a script."""
    if isinstance(said, list):
        return said
    return None if isinstance(said, str) else []


@lru_cache(maxsize=4096)
def _meaning(name: str) -> int:
    """What a word may mean by its name: all of it, or what stands before `=`."""
    named = takes_model(name) if name[:1] == "-" else name in command_names()
    mark = MODEL if named else 0
    mark |= SENDS if name in sending_names() else 0
    mark |= 0 if telling_names().isdisjoint((name, name.rstrip(VERSION), name.replace("_", "-"))) else RUNS
    mark |= INTERPRETS if INTERPRETER.fullmatch(name) else 0
    return mark | (CODE if CODE_FLAG.fullmatch(name) else 0)


@cache
def _known() -> frozenset[str]:
    """Programs that mean something, without version."""
    return frozenset((*command_names(), *sending_names(), *telling_names()))
