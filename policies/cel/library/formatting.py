"""`'%s is %d'.format([...])`, with the habits of Go's en_US printer: `%f` groups thousands, `%e` raises its exponent.

The same reading of a format string serves the evaluation and, with other callbacks, the check of literals at compile
time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import copysign, isinf, isnan

from policies.cel import cost
from policies.cel.equality import Tick
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, Overload, Timed, table
from policies.cel.kinds import runtime_type
from policies.cel.library.clock import format_duration, format_timestamp
from policies.cel.library.conversions import string_of_bool, string_of_bytes, string_of_double
from policies.cel.library.quoting import quoted
from policies.cel.maps import is_map, pairs
from policies.cel.sizes import bounded
from policies.cel.types import DYN, STRING, CelType, list_of
from policies.cel.values import INT_MAX, Duration, Timestamp, UInt, Value

DEFAULT_PRECISION = 6
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_NO_VERB = "%!(NOVERB)"  # what Go's printer says of a clause it can't read
_TIMES = "\N{MULTIPLICATION SIGN}"
_EXCEPTIONS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

WRONG = {
    "s": "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and "
    "timestamps, was given {}",
    "d": "decimal clause can only be used on integers, was given {}",
    "f": "fixed-point clause can only be used on doubles, was given {}",
    "e": "scientific clause can only be used on doubles, was given {}",
    "b": "only integers and bools can be formatted as binary, was given {}",
    "x": "only integers, byte buffers, and strings can be formatted as hex, was given {}",
    "X": "only integers, byte buffers, and strings can be formatted as hex, was given {}",
    "o": "octal clause can only be used on integers, was given {}",
}

Writer = Callable[[int, str, int | None], str]  # argument's position, verb, precision


def interpolate(text: str, count: int, write: Writer) -> tuple[str, int]:
    """The text with every clause replaced, and how many there were. Raises EvaluationError for a bad format string."""
    parts: list[str] = []
    at = used = 0
    while True:
        mark = text.find("%", at)
        if mark < 0:
            parts.append(text[at:])
            return "".join(parts), used
        parts.append(text[at:mark])
        if text.startswith("%%", mark):
            parts.append("%")
            at = mark + 2
            continue
        if used >= count:
            raise EvaluationError(f"index {used} out of range")
        verb, precision, at = _clause(text, mark + 1)
        parts.append(write(used, verb, precision))
        used += 1


def _clause(text: str, at: int) -> tuple[str, int | None, int]:
    """Verb, precision and where the clause ends."""
    if at >= len(text):
        raise EvaluationError("unexpected end of string")
    precision: int | None = None
    if text[at] == ".":
        start = at + 1
        at = start
        while at < len(text) and "0" <= text[at] <= "9":
            at += 1
        if at >= len(text):
            raise _unparsable("error while parsing precision: could not find end of precision specifier")
        precision = _precision(text[start:at])
    verb = text[at]
    if verb not in WRONG:
        first = verb.encode()[:1].decode("latin-1")  # Go looks at bytes
        raise _unparsable(f'unrecognized formatting clause "{first}"')
    return verb, precision, at + 1


def _precision(digits: str) -> int:
    if not digits or int(digits.lstrip("0")[:20] or 0) > INT_MAX:
        why = "invalid syntax" if not digits else "value out of range"
        raise _unparsable(
            "error while parsing precision: error while converting precision to integer: "
            f'strconv.Atoi: parsing "{digits}": {why}'
        )
    return int(digits)


def _is_lost(precision: int) -> bool:
    """Whether Go's printer gives up reading it: it looks at the number before each digit."""
    return precision // 10 > 1_000_000


def _unparsable(why: str) -> EvaluationError:
    return EvaluationError(f"could not parse formatting clause: {why}")


def format_(tick: Tick, text: str, args: list[Value]) -> str:
    """The text with its clauses replaced by the arguments. Stops as soon as the result would be too large."""
    printer = _Printer(tick, len(text))

    def write(position: int, verb: str, precision: int | None) -> str:
        try:
            if verb == "s":
                return printer.text(args[position])
            written = _VERBS[verb](args[position], verb, precision)
        except EvaluationError as error:
            raise EvaluationError(f"error during formatting: {error}") from error
        printer.count(written)
        return written

    return interpolate(text, len(args), write)[0]


def _wrong(verb: str, value: Value) -> EvaluationError:
    return EvaluationError(WRONG[verb].format(runtime_type(value).name))


# the verbs


def _decimal(value: Value, verb: str = "d", _: int | None = None) -> str:
    if type(value) not in (int, UInt):
        raise _wrong(verb, value)
    return str(int(value))


def _number(value: Value, verb: str) -> float:
    if type(value) is float:
        return value
    if type(value) is str and value in _EXCEPTIONS:
        return _EXCEPTIONS[value]
    raise _wrong(verb, value)


def _fixed(value: Value, verb: str, precision: int | None) -> str:
    number = _number(value, verb)
    if isnan(number) or isinf(number):
        return _unbounded(number)
    wanted = DEFAULT_PRECISION if precision is None else precision
    if _is_lost(wanted):
        return _NO_VERB
    digits = f"{number:,.{min(wanted, 1100)}f}"  # no double has more
    if wanted > 255:  # the printer keeps the least number of digits in a byte
        whole, _, fraction = digits.partition(".")
        digits = f"{whole}.{fraction.rstrip('0').ljust(wanted % 256, '0')}".rstrip(".")
    return digits.removeprefix("-") if number == 0 else digits


def _scientific(value: Value, verb: str, precision: int | None) -> str:
    """What is asked for as precision acts as width; there are always six digits."""
    number = _number(value, verb)
    width = DEFAULT_PRECISION if precision is None else precision
    if _is_lost(width):
        return _NO_VERB
    width %= 2**16  # the printer keeps it in two bytes
    if isnan(number) or isinf(number):
        return _unbounded(number).rjust(width)
    mantissa, _, exponent = f"{abs(number):.6e}".partition("e")
    power = int(exponent)
    raised = f"{'-' if power < 0 else ''}{abs(power):02d}".translate(_SUPERSCRIPT)
    sign = "-" if number < 0 else ""
    return f"{sign}{mantissa}{_TIMES}10{raised}".rjust(width)


def _unbounded(number: float) -> str:
    if isnan(number):
        return "NaN"
    return "∞" if copysign(1, number) > 0 else "-∞"


def _binary(value: Value, verb: str, _: int | None) -> str:
    if type(value) is bool:
        return "1" if value else "0"
    return format(_integer(value, verb), "b")


def _octal(value: Value, verb: str, _: int | None) -> str:
    return format(_integer(value, verb), "o")


def _hex(value: Value, verb: str, _: int | None) -> str:
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        digits = data.hex()
        return digits.upper() if verb == "X" else digits
    return format(_integer(value, verb), verb)


def _integer(value: Value, verb: str) -> int:
    if type(value) not in (int, UInt):
        raise _wrong(verb, value)
    return int(value)


# `%s`


class _Printer:
    """Writes values as text; those inside lists and maps as CEL would write them. Counts what it has written."""

    def __init__(self, tick: Tick, size: int) -> None:
        self.tick = tick
        self.size = size
        self.parts = 0

    def count(self, written: str) -> str:
        self.size += len(written)
        self.parts += 1
        if self.parts % 256 == 0:
            self.tick()
        bounded(self.size)
        return written

    def text(self, value: Value) -> str:
        kind = type(value)
        if kind is list:
            return self.sequence(value)
        if is_map(value):
            return self.mapping(value)
        if value is None:
            return self.count("null")
        write = _PLAIN.get(kind)
        if write is None:
            raise _wrong("s", value)
        try:
            return self.count(write(value))
        except EvaluationError as error:
            raise EvaluationError(f'could not convert argument "{error}" to string') from error

    def sequence(self, values: list[Value]) -> str:
        self.count("[]")
        return f"[{', '.join(map(self.member, values))}]"

    def mapping(self, value: Mapping[Value, Value]) -> str:
        self.count("{}")
        entries = sorted(((_key(key), value) for key, value in pairs(value)), key=lambda entry: entry[0])
        return f"{{{', '.join(f'{self.count(key)}:{self.member(value)}' for key, value in entries)}}}"

    def member(self, value: Value) -> str:
        kind = type(value)
        if kind is list or is_map(value) or value is None:
            return self.text(value)
        write = _MEMBERS.get(kind)
        if write is None:
            raise EvaluationError(f"no formatting function for {runtime_type(value).name}")
        return self.count(write(value))


def _bytes(value: bytes) -> str:
    try:
        return string_of_bytes(value)
    except EvaluationError as error:
        raise EvaluationError(f'could not convert argument "{error}" to string') from error


def _double(value: float) -> str:
    return f'"{string_of_double(value)}"' if isnan(value) or isinf(value) else f"{value:.6f}"


def _key(key: Value) -> str:
    if type(key) is str:
        return quoted(key)
    if type(key) in (bool, int, UInt):
        return _PLAIN[type(key)](key)
    raise EvaluationError(f"no formatting function for map key of type {runtime_type(key).name}")


_PLAIN: dict[type, Callable[[Value], str]] = {
    str: str,
    bool: string_of_bool,
    int: str,
    UInt: lambda value: str(int(value)),
    float: string_of_double,
    bytes: string_of_bytes,
    Timestamp: format_timestamp,
    Duration: format_duration,
    CelType: lambda value: str(value.name),
}
_MEMBERS: dict[type, Callable[[Value], str]] = _PLAIN | {
    str: quoted,
    float: _double,
    bytes: lambda value: f"b{quoted(_bytes(value))}",
    Timestamp: lambda value: f'timestamp("{format_timestamp(value)}")',
    Duration: lambda value: f'duration("{format_duration(value)}")',
}
_VERBS: dict[str, Callable[[Value, str, int | None], str]] = {
    "d": _decimal,
    "f": _fixed,
    "e": _scientific,
    "b": _binary,
    "x": _hex,
    "X": _hex,
    "o": _octal,
}

TABLE = table(
    Function("format", [Overload(True, (STRING, list_of(DYN)), STRING, Timed(format_), cost.traversal, ordered=True)]),
)
