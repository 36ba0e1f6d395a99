"""Command lines as words: lists, shell scripts inside a list, and variables filled in where their value is known.

Guarantees: linear in the text, never raises; every word keeps the path of the element that it stands in. It reads
scripts as far as quoting and simple variables go; what a program computes stays unknown.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from policies.json import Json, JsonObject
from policies.workloads.names.images import listed

END = "\n"  # a word that ends a command: newline, `;`, `&&`, `|`


Word = tuple[str, str]  # the text, and the path of the element it stands in

_KUBERNETES = re.compile(r"\$(?:\$|\(([\w.-]+)\))")  # `$$` is an escaped dollar
_SHELL = re.compile(r"\$(?:\{(\w+)(?::?-([^}$]*))?\}|(\w+))")  # stops at the next dollar: else quadratic
_WORD = re.compile(r"""(?:[^\s"'\\;|&()<>]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+|\n|[;|&()<>]+|["'\\]""", re.DOTALL)
_QUOTED = re.compile(r"""\\(\n)|\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)
_ESCAPED = re.compile(r'\\([\\"$`\n])')
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
CHILD = re.compile(  # the name of a service that KServe makes beside an LLMInferenceService
    r"\{\{-?\s{0,8}ChildName \.ObjectMeta\.Name [`\"][a-z0-9-]{0,63}[`\"]\s{0,8}-?\}\}"
)
_OPEN = re.compile(r"\$[A-Za-z_({]|`")
INTERPRETERS = ("python", "pypy", "node", "ruby", "perl", "deno", "bun", "php", "lua", "Rscript")
INTERPRETER = re.compile(rf"(?:{'|'.join(INTERPRETERS)})[0-9.]*")
SCRIPT = "-\0"  # stands before code that a file holds; nobody can write it: arguments end at NUL
CODE_FLAG = re.compile(r"-[A-Za-z]*[ce]|--eval|--print|-p")
_RUNS = frozenset(("command", "args", "script", "source"))
_SCRIPTS = ("script", "source")  # of a Tekton step, of an Argo template
_FILE = "/script"  # where a controller puts a script for the container's command
_SHELLS = re.compile(r"(?:ba|da|a|z|k)?sh|busybox")
_LOOKED_AT = 64  # words among which an interpreter is looked for
_GROWTH = 1 << 16  # characters that filling in may add per container: variables can double each other for ever


class Variables:
    """What is known of a container's variables: those whose value stands in the object.

    Later ones are built from earlier ones as the kubelet does; of two with one name, the last stays. `own` gives the
    value of one that is filled in from elsewhere, where that is known. Read when something is to be filled in.
    """

    __slots__ = ("_budget", "_environment", "_known", "_own", "_values", "used")

    def __init__(self, environment: Json = None, own: Callable[[JsonObject], str | None] | None = None) -> None:
        self._environment = environment
        self._own = own
        self._known: dict[str, str] | None = None
        self._values: dict[int, str] = {}
        self.used = False  # whether some value was filled in somewhere
        self._budget = _GROWTH

    @property
    def known(self) -> dict[str, str]:
        """By name, as the container's program sees them."""
        if self._known is None:
            self._known = {}
            for index, variable in enumerate(listed(self._environment)):
                if isinstance(variable, dict) and isinstance(name := variable.get("name"), str):
                    value = self._value(variable)
                    if value is None:
                        self._known.pop(name, None)
                    else:
                        self._known[name] = self._values[index] = value
        return self._known

    def told(self, index: int, value: str) -> str:
        """The value of the variable at `index`, with those before it filled in."""
        return self._values.get(index, value) if "$" in value and self.known is not None else value

    def _value(self, variable: JsonObject) -> str | None:
        value = variable.get("value")
        if isinstance(value, str) and not variable.get("valueFrom"):
            return self.expand(value)
        return self._own(variable) if self._own is not None else None

    def expand(self, text: str) -> str:
        """`$(NAME)` filled in as Kubernetes does; unknown names stay as they are written."""
        return self._filled(_KUBERNETES, text, lambda match: self.known.get(match[1], match[0]) if match[1] else "$")

    def fill(self, text: str) -> str:
        """`$NAME`, `${NAME}` and `${NAME:-default}` filled in as a shell does."""

        def value(match: re.Match[str]) -> str:
            default = match[0] if match[2] is None else match[2]
            return self.known.get(match[1] or match[3], default)

        return self._filled(_SHELL, text, value)

    def _filled(self, pattern: re.Pattern[str], text: str, value: Callable[[re.Match[str]], str]) -> str:
        if "$" not in text:
            return text
        parts: list[str] = []
        at = 0
        for match in pattern.finditer(text):
            filled = value(match)
            self.used = self.used or filled != match[0]
            self._budget -= max(len(filled) - len(match[0]), 0)
            if self._budget < 0:
                return text
            parts += [text[at : match.start()], filled]
            at = match.end()
        return "".join(parts) + text[at:]


def runs(container: JsonObject) -> bool:
    """Whether a container says what it runs."""
    return not _RUNS.isdisjoint(container)


def words_of(container: JsonObject, where: str, variables: Variables) -> list[Word]:
    """The words of command, arguments and script, scripts taken apart; `where` is the container's path with its dot."""
    words: list[Word] = []
    for field in ("command", "args"):
        said = container.get(field)
        if isinstance(said, str):
            words += split(said, f"{where}{field}", variables)
        for index, text in enumerate(listed(said)):
            if isinstance(text, str):
                if not ("$" in text or " " in text or "\n" in text or "\t" in text):
                    words.append((text, f"{where}{field}[{index}]"))
                elif _is_code(words):
                    words.append((variables.expand(text), f"{where}{field}[{index}]"))
                else:
                    words += _element(variables.expand(text), f"{where}{field}[{index}]", variables)
    for field in _SCRIPTS:
        if isinstance(script := container.get(field), str):
            words += script_words(script, f"{where}{field}", variables, words)
    return words


def script_words(script: str, path: str, variables: Variables, before: Sequence[Word] = ()) -> list[Word]:
    """The words of a whole script that the command `before` is given: of a shell, or code as one word."""
    words = [(_FILE, path), (END, path)] if before else []
    interpreter = _interpreter(script, before)
    if interpreter:
        return [*words, (interpreter, path), (SCRIPT, path), (script, path)]
    return [*words, *split(script, path, variables)]


def _interpreter(script: str, before: Sequence[Word]) -> str:
    """What runs the script: the command before it, else what its first line says; empty where that's a shell."""
    first = script[:256].partition("\n")[0]
    said = [text for text, _ in before[:_LOOKED_AT]] or (first[2:].split() if first[:2] == "#!" else [])
    for name in map(program, reversed(said)):
        if INTERPRETER.fullmatch(name):
            return name
        if _SHELLS.fullmatch(name):
            return ""
    return ""


def _is_code(words: list[Word]) -> bool:
    """Whether what follows is code for an interpreter, not a script for a shell."""
    if not words or CODE_FLAG.fullmatch(words[-1][0]) is None:
        return False
    return any(INTERPRETER.fullmatch(program(text)) for text, _ in words[:_LOOKED_AT])


def _element(text: str, path: str, variables: Variables) -> Iterator[Word]:
    """One element of a list: a word as it is, or a script when it holds more than one word."""
    if "{{" in text:
        text = CHILD.sub("child", text)
    if text and text[0] not in "{[<" and (" " in text or "\n" in text or "\t" in text):
        yield from split(text, path, variables)
    else:
        yield variables.fill(text), path


def split(script: str, path: str, variables: Variables) -> Iterator[Word]:
    """The words of a shell script. Assignments are remembered for the words behind them."""
    comment = False
    for match in _WORD.finditer(script):
        raw = match[0]
        comment = (comment or raw[0] == "#") and raw != "\n"
        if comment:
            continue
        if raw == "\n" or raw[0] in ";|&()<>":
            yield END, path
            continue
        text = variables.fill(_unquoted(raw))
        assigned = _ASSIGNMENT.fullmatch(text)
        if assigned:
            variables.known[assigned[1]] = assigned[2]
        if text:
            yield text, path


def _unquoted(raw: str) -> str:
    if '"' not in raw and "'" not in raw and "\\" not in raw:
        return raw
    return _QUOTED.sub(_plain, raw)


def _plain(match: re.Match[str]) -> str:
    joined, escaped, double, single = match.groups()
    if joined:
        return ""
    if double is not None:
        return _ESCAPED.sub(r"\1", double)
    return escaped if escaped is not None else single


def program(word: str) -> str:
    """The name of a program without its directory."""
    return word.rpartition("/")[2]


def is_open(text: str) -> bool:
    """Whether something in the text couldn't be filled in: then nobody can say what it names."""
    return ("$" in text or "`" in text) and _OPEN.search(text) is not None


def flag(text: str) -> tuple[str, str | None]:
    """The name of a flag, with `_` read as `-`, and its value where it is joined by `=`; name empty for no flag."""
    if text[:1] != "-" or len(text) < 2:
        return "", None
    name, joined, value = text.partition("=")
    return name.replace("_", "-"), value if joined else None


def value_after(words: list[Word], index: int) -> Word | None:
    """The value of the flag at `index` when it stands in the next word."""
    following = words[index + 1] if index + 1 < len(words) else None
    return None if following is None or following[0] == END or following[0].startswith("--") else following
