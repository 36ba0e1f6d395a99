"""Command lines read through: shells inside of shells, and what runs that nobody can read here.

Guarantees: linear in the words, to a depth; never raises. Code that loads models, text that is decoded and run, `eval`
of what isn't known, arguments that come from elsewhere, a server's configuration file: each is reported, so that it
counts as a model that nobody knows. Scripts and programs that lie in the image are the image's.
"""

import re
from collections.abc import Iterator
from functools import cache

from policies.workloads.catalogue.tables import table
from policies.workloads.commands.arguments import (
    CODE_FLAG,
    END,
    INTERPRETER,
    INTERPRETERS,
    SCRIPT,
    Variables,
    Word,
    flag,
    is_open,
    program,
    split,
)

_DEEPEST = 4  # shells inside of shells; what is deeper is reported
_FIRST = 64  # words of a command among which a shell without arguments is looked for
VERSION = "0123456789."  # what stands behind the name of an interpreter
_SHELL_FLAG = re.compile(r"-[a-zA-Z]*c")
_ASSIGNS = re.compile(r"[A-Za-z_]\w*=")
_LOADS = re.compile(
    r"from_pretrained|snapshot_download|hf_hub_download|hub\.load|load_model|SentenceTransformer|CrossEncoder"
    r"|AutoModel|AutoTokenizer|\bLLM\s*\(|EngineArgs|Engine\s*\(|\bpipeline\s*\(|ollama\.|llama_cpp|diffusers"
)
_BUILDS = re.compile(
    r"\bexec\s*\(|\beval\s*\(|b64decode|base64|__import__|importlib|runpy|(?<!\bre\.)compile\s*\(|marshal|codecs|zlib|urlopen|urllib"
    r"|requests\.|httpx|subprocess|os\.system|os\.exec|popen|child_process|fetch\s*\(|Function\s*\("
)
_LATER = re.compile(r"^[^\S\n]*(?:\$[({A-Za-z_]|\{\{)", re.MULTILINE)  # a line of code that somebody else writes
_FEEDS = re.compile(
    r"(?:\b(?:ba|da|z|k)?sh|\bsource|(?:^|[;&|\s])\.)\s+<\(|\b(?:python|node|perl|ruby)[0-9.]*\s+(?:-\s+)?<<"
)


def read_through(words: list[Word], variables: Variables, depth: int = 0) -> tuple[list[Word], list[Word]]:
    """The words with the scripts of inner shells in their place, and what can't be read: what it is, and where."""
    read: list[Word] = []
    hidden: list[Word] = []
    for command in _commands(words):
        inner = None if is_plain(command) else _inner(command, variables, hidden, first=not read, depth=depth)
        read += command if inner is None else [*command[: inner[0]], (END, ""), *inner[1]]
        read.append((END, command[0][1]))
    return read[:-1], hidden


def hidden_in_text(text: str, path: str) -> Iterator[Word]:
    """What a script feeds to an interpreter line by line, or names in code that it writes itself."""
    if ("<" in text and _FEEDS.search(text)) or (("(" in text or "ollama" in text) and _LOADS.search(text)):
        yield "code in a script", path


def _commands(words: list[Word]) -> Iterator[list[Word]]:
    command: list[Word] = []
    for word in words:
        if word[0] != END:
            command.append(word)
        elif command:
            yield command
            command = []
    if command:
        yield command


@cache
def telling_names() -> frozenset[str]:
    """Names, without version, of what runs text, or reads arguments from elsewhere."""
    others = ("eval", "xargs", "base64", "parallel", "su", "runuser", "--config")
    return frozenset((*table("models")["shells"], *INTERPRETERS, *others))


def is_plain(words: list[Word]) -> bool:
    """Whether nothing on command lines runs text or reads its arguments elsewhere: the usual case, decided quickly."""
    telling = telling_names()
    texts = [text for text, _ in words]
    if texts and INTERPRETER.fullmatch(program(texts[0])) and _runs_a_file(texts):
        texts[0] = ""
    if not telling.isdisjoint(texts):
        return False
    for text in texts:
        if "/" in text or (text[-1:].isdigit() and text[:2] != "--"):
            name = program(text)
            if name in telling or name.rstrip(VERSION) in telling:
                return False
        if text[:9] == "--config=":
            return False
    return True


def _runs_a_file(texts: list[str]) -> bool:
    """Whether an interpreter at the head of a single command is given a module or a file, and no code."""
    return (
        END not in texts
        and SCRIPT not in texts
        and not any(text[:1] == "-" and "=" not in text and CODE_FLAG.fullmatch(text) for text in texts)
    )


def _inner(
    command: list[Word], variables: Variables, hidden: list[Word], *, first: bool, depth: int
) -> tuple[int, list[Word]] | None:
    """Where the script of an inner shell stands, and its words. What is hidden is added."""
    names = [program(text) for text, _ in command]
    shells = {*table("models")["shells"], "su", "runuser"}
    runner = ""  # the last of the programs before that runs text
    for at, (name, (text, path)) in enumerate(zip(names, command, strict=True)):
        if name == "eval":
            return _script(at, " ".join(word for word, _ in command[at + 1 :]), path, variables, hidden, depth)
        if name in shells and at < _FIRST and not _argument(command, at) and not (first and at == 0):
            hidden.append((f"what `{name}` is fed", path))
        if at > 1 and (names[at - 2] in shells or INTERPRETER.fullmatch(names[at - 2])):
            runner = names[at - 2]
        if runner in shells and _SHELL_FLAG.fullmatch(command[at - 1][0]) and _is_script(text):
            return _script(at - 1, text, path, variables, hidden, depth)
        if runner and runner not in shells and command[at - 1][0] == SCRIPT:
            if _BUILDS.search(text) or _LATER.search(text):
                hidden.append(("code in a script", path))
            return None
        if runner and runner not in shells and CODE_FLAG.fullmatch(command[at - 1][0]):
            if _LOADS.search(text) or _BUILDS.search(text) or is_open(text):
                hidden.append(("code on the command line", path))
            return None
    hidden += _elsewhere(command, names, first=first)
    return None


def _script(
    at: int, script: str, path: str, variables: Variables, hidden: list[Word], depth: int
) -> tuple[int, list[Word]] | None:
    if depth >= _DEEPEST or is_open(script):
        hidden.append((script[:200], path))
        return None
    words, inner = read_through(list(split(script, path, variables)), variables, depth + 1)
    hidden += inner
    return at, words


def _is_script(text: str) -> bool:
    """Whether a word is the text of a script: not one that a script which is read already begins with, `A=`date``."""
    return any(mark in text for mark in " \t\n;|&") or (is_open(text) and _ASSIGNS.match(text) is None)


def _argument(command: list[Word], at: int) -> bool:
    """Whether a shell is given a script or a file; else it reads what it is fed."""
    return any(text[:1] != "-" or _SHELL_FLAG.fullmatch(text) for text, _ in command[at + 1 :])


def _elsewhere(command: list[Word], names: list[str], *, first: bool) -> Iterator[Word]:
    """Arguments that come from elsewhere: of `xargs`, from a server's configuration file, of decoded text."""
    present, serving = frozenset(names), _serving()
    serves = any(name in serving or name.startswith(("vllm.", "sglang.")) for name in present)
    configured = serves and not ("tune" in present and "run" in present)  # its recipes take what is on the disk
    shells = frozenset(table("models")["shells"])
    last = max((at for at, name in enumerate(names) if name in shells), default=-1)
    decodes = not present.isdisjoint(("-d", "-D", "--decode", "-di"))
    for at, (name, (text, path)) in enumerate(zip(names, command, strict=True)):
        if name in ("xargs", "parallel") and (serves or last > at):
            yield f"arguments of `{name}`", path
        if configured and flag(text)[0] == "--config":
            yield text, path
        if name == "base64" and decodes:
            yield "decoded text", path
        if not first and at == 0 and INTERPRETER.fullmatch(name) and not _argument(command, at):
            yield f"what `{name}` is fed", path


@cache
def _serving() -> frozenset[str]:
    return frozenset(row["words"][0] for row in table("models")["commands"])
