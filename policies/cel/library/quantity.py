"""Kubernetes quantities (`100Mi`, `0.5`, `12e3`), exact, with the API server's habits.

A quantity is held as an int and a power of ten. The API server has two representations, a quick one of 64 bits and a
big one; which of them a value has shows in `isInteger()` and `asInteger()`, so it is kept here, too.
"""

from __future__ import annotations

import re
from enum import Enum
from math import inf

from policies.cel import cost
from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, free, method, table
from policies.cel.sizes import notation
from policies.cel.types import BOOL, DOUBLE, INT, STRING, CelType, library_type
from policies.cel.values import INT_MAX, INT_MIN, LibraryValue, Value
from policies.remembered import remembered

QUANTITY: CelType = library_type("kubernetes.Quantity")

_NUMBER = re.compile(r"([+-]?)(0*)([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_DECIMAL = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()} | {0: ""}
_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_NANO = -9
_MAX_EXPONENT = 5000  # ours: beyond it, comparing two quantities would take the API server minutes
_MAX_LENGTH = 1000  # ours, for the same reason
_SHORT = 32  # characters of a text that is worth remembering


class Format(Enum):
    EXPONENT = "DecimalExponent"
    BINARY = "BinarySI"
    DECIMAL = "DecimalSI"


class Quantity(LibraryValue):
    """`unscaled * 10**exponent`. `big` is the API server's slower representation, `derived` a result of arithmetic."""

    __slots__ = ("big", "derived", "exponent", "format", "text", "unscaled")
    cel_type = QUANTITY

    def __init__(
        self, unscaled: int, exponent: int, format_: Format, big: bool, text: str = "", derived: bool = False
    ) -> None:
        self.unscaled = unscaled
        self.exponent = exponent
        self.format = format_
        self.big = big
        self.text = text
        self.derived = derived

    def __str__(self) -> str:
        """The canonical form, or what was written where that is canonical."""
        return self.text or _canonical(self)

    def __repr__(self) -> str:
        return f"quantity({str(self)!r})"

    def cel_equal(self, other: Value) -> bool:
        """As the API server: a computed quantity on the right-hand side is no quantity to it."""
        if type(other) is not Quantity or other.derived:
            raise EvaluationError("no such overload")
        return compare(self, other) == 0

    def cel_identical(self, other: Value) -> bool:
        return all(getattr(self, name) == getattr(other, name) for name in ("unscaled", "exponent", "big", "format"))

    def cel_native(self) -> Value:
        return EvaluationError(f"unsupported conversion to ref.Val: (*resource.Quantity){self}")


def parse(text: str) -> Quantity:
    """Raises EvaluationError for what isn't a quantity."""
    found = _NUMBER.fullmatch(text)
    if not text or found is None:
        raise EvaluationError(_FORMAT)
    if text == "0":
        return Quantity(0, 0, Format.DECIMAL, big=False, text=text)
    if len(text) > _MAX_LENGTH:
        raise EvaluationError(f"quantity too long: {len(text)} characters")
    sign, zeros, whole, point, fraction, suffix = found.groups(default="")
    if not whole and not point and not suffix:
        if not zeros:
            return _zero()  # a sign alone
        return _zero()
    if point == "" and not whole and not zeros and suffix:
        pass  # a suffix alone stands for zero of it
    return _scaled(text, sign == "-", whole or "0", fraction, suffix)


@remembered(4096, longest=_SHORT)
def _parts(text: str) -> tuple[int, int, Format, bool, str]:
    """The same few amounts are written everywhere."""
    found = parse(text)
    return found.unscaled, found.exponent, found.format, found.big, found.text


_parse_long = notation(parse)


def _read(text: str) -> Quantity:
    """A quantity of its own each time: comparing changes it."""
    return Quantity(*_parts(text)) if len(text) <= _SHORT else _parse_long(text)


def _zero() -> Quantity:
    return Quantity(0, 0, Format.DECIMAL, big=False)


def _suffix(suffix: str) -> tuple[int, Format]:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], Format.DECIMAL
    if suffix in _BINARY:
        return _BINARY[suffix], Format.BINARY
    if len(suffix) > 1 and suffix[0] in "eE" and re.fullmatch(r"[+-]?[0-9]+", suffix[1:]) and len(suffix) < 40:
        power = int(suffix[1:])
        if INT_MIN <= power <= INT_MAX:
            return (power + 2**31) % 2**32 - 2**31, Format.EXPONENT
    raise EvaluationError("unable to parse quantity's suffix")


def _scaled(text: str, negative: bool, whole: str, fraction: str, suffix: str) -> Quantity:
    power, format_ = _suffix(suffix)
    if abs(power) > _MAX_EXPONENT:
        raise EvaluationError(f"quantity out of range: exponent {power}")
    digits = whole + fraction
    quick = _quick(text, digits, len(whole), len(fraction), power, format_)
    if quick is not None:
        unscaled, exponent, kept = quick
        return Quantity(-unscaled if negative else unscaled, exponent, format_, big=False, text=kept)
    return _big(negative, int(digits), len(fraction), power, format_)


def _quick(
    text: str, digits: str, whole: int, decimals: int, power: int, format_: Format
) -> tuple[int, int, str] | None:
    """The 64-bit representation where it holds the number; with the text, where that is canonical."""
    if format_ is Format.BINARY:
        if decimals:
            return None
        precision, exponent, factor = 15 - whole - int(power * 3 / 10) - 1, 0, 1 << power
    else:
        precision, exponent, factor = 18 - whole - decimals, power - decimals, 1
    value = int(digits)
    if precision < 0 or exponent < _NANO or value * factor > INT_MAX:
        return None
    if format_ is Format.BINARY:
        canonical = power % 10 == 0 and value & 7 != 0
    else:
        canonical = exponent % 3 == 0 and not digits.endswith("000") and digits[0] != "0"
    return value * factor, exponent, text if canonical else ""


def _big(negative: bool, value: int, decimals: int, power: int, format_: Format) -> Quantity:
    exponent = -decimals
    if format_ is Format.BINARY:
        value <<= power
    else:
        exponent += power
    if value:
        value, exponent = _rounded(value, exponent, _NANO)
    if format_ is Format.BINARY:
        if _compared(value, exponent, INT_MAX, 0) > 0:
            value, exponent = INT_MAX, 0
        if value and _compared(value, exponent, 1, 0) < 0:
            format_ = Format.DECIMAL
    return Quantity(-value if negative else value, exponent, format_, big=True)


def _rounded(value: int, exponent: int, lowest: int) -> tuple[int, int]:
    """Away from zero to a multiple of 10**lowest; written with that exponent, as the API server does."""
    if exponent >= lowest:
        return value * 10 ** (exponent - lowest), lowest
    divisor = 10 ** (lowest - exponent)
    quotient, rest = divmod(abs(value), divisor)
    quotient += 1 if rest else 0
    return (-quotient if value < 0 else quotient), lowest


def _compared(a: int, a_exponent: int, b: int, b_exponent: int) -> int:
    lowest = min(a_exponent, b_exponent)
    left, right = a * 10 ** (a_exponent - lowest), b * 10 ** (b_exponent - lowest)
    return int(left > right) - int(left < right)


def compare(a: Quantity, b: Quantity) -> int:
    """-1, 0 or 1. Comparing with a big one makes the left one big, as it does in the API server."""
    if b.big and not a.big:
        a.big = True
    return _compared(a.unscaled, a.exponent, b.unscaled, b.exponent)


def add(a: Quantity, b: Quantity) -> Quantity:
    return _sum(a, b, b.unscaled, b.unscaled)


def subtract(a: Quantity, b: Quantity) -> Quantity:
    wrapped = INT_MIN if b.unscaled == INT_MIN else -b.unscaled  # the least int has no opposite in 64 bits
    return _sum(a, b, -b.unscaled, wrapped)


def _sum(a: Quantity, b: Quantity, addend: int, quick_addend: int) -> Quantity:
    format_ = b.format if a.unscaled == 0 else a.format
    if not a.big and not b.big:
        quick = _quick_sum(a, b, quick_addend)
        if quick is not None:
            return Quantity(*quick, format_, big=False, derived=True)
    lowest = min(a.exponent, b.exponent)
    total = a.unscaled * 10 ** (a.exponent - lowest) + addend * 10 ** (b.exponent - lowest)
    return Quantity(total, lowest, format_, big=True, derived=True)


def _quick_sum(a: Quantity, b: Quantity, addend: int) -> tuple[int, int] | None:
    if addend == 0:
        return a.unscaled, a.exponent
    if a.unscaled == 0:
        return addend, b.exponent
    lowest = min(a.exponent, b.exponent)
    if max(a.exponent, b.exponent) - lowest > 40:
        return None
    left, right = a.unscaled * 10 ** (a.exponent - lowest), addend * 10 ** (b.exponent - lowest)
    if all(INT_MIN <= value <= INT_MAX for value in (left, right, left + right)):
        return left + right, lowest
    return None


def _of_int(value: int) -> Quantity:
    return Quantity(value, 0, Format.EXPONENT, big=False)


def _integer(quantity: Quantity) -> int | None:
    if quantity.big or quantity.exponent < 0 or (quantity.exponent > 18 and quantity.unscaled):
        return None
    value = quantity.unscaled * 10**quantity.exponent if quantity.unscaled else 0
    return value if INT_MIN <= value <= INT_MAX else None


def as_integer(quantity: Quantity) -> int:
    value = _integer(quantity)
    if value is None:
        raise EvaluationError("cannot convert value to integer")
    return value


def as_float(quantity: Quantity) -> float:
    """Unscaled value times the power of ten, each rounded by itself, as Go does it."""
    try:
        base = float(quantity.unscaled)
    except OverflowError:
        return inf if quantity.unscaled > 0 else -inf
    return base if quantity.exponent == 0 else base * _power_of_ten(quantity.exponent)


def _power_of_ten(exponent: int) -> float:
    if exponent > 308:
        return float("inf")
    if exponent < -323:
        return 0.0
    large, small = divmod(abs(exponent), 32)
    if exponent >= 0:
        return float(10 ** (32 * large)) * float(10**small)
    return float(f"1e-{32 * large}") / float(10**small)


def _canonical(quantity: Quantity) -> str:
    """A mantissa and a suffix whose power is a multiple of three, or of 1024 for whole binary amounts."""
    value, exponent, format_ = quantity.unscaled, quantity.exponent, quantity.format
    if value == 0:
        return "0"
    if format_ is Format.BINARY:
        whole = _rounded(value, exponent, 0)[0] if exponent < 0 else value * 10**exponent
        exact = exponent >= 0 or whole * 10**-exponent == value
        if (abs(whole) < 1024 and abs(value) < 1024 * 10 ** max(0, -exponent)) or not exact:
            format_ = Format.DECIMAL
        else:
            return _binary_text(whole)
    while value % 10 == 0:
        value, exponent = value // 10, exponent + 1
    shift = exponent % 3
    value, exponent = value * 10**shift, exponent - shift
    if format_ is Format.DECIMAL:
        return f"{value}{_DECIMAL_SUFFIX.get(exponent, '')}"
    return f"{value}e{exponent}" if exponent else str(value)


def _binary_text(whole: int) -> str:
    power = 0
    while whole % 1024 == 0:
        whole, power = whole // 1024, power + 10
    return f"{whole}{_BINARY_SUFFIX.get(power, '')}"


def is_quantity(text: str) -> bool:
    try:
        parse(text)
    except EvaluationError:
        return False
    return True


def _sign(quantity: Quantity) -> int:
    return (quantity.unscaled > 0) - (quantity.unscaled < 0)


_PAIR = [QUANTITY, QUANTITY]

TABLE = table(
    Function("quantity", [free([STRING], QUANTITY, _read)], cost=cost.traversal),
    Function("isQuantity", [free([STRING], BOOL, notation(is_quantity))], cost=cost.traversal),
    Function("sign", [free([QUANTITY], INT, _sign)], cost=1),
    Function("isGreaterThan", [method(_PAIR, BOOL, lambda a, b: compare(a, b) > 0)], cost=1),
    Function("isLessThan", [method(_PAIR, BOOL, lambda a, b: compare(a, b) < 0)], cost=1),
    Function("compareTo", [method(_PAIR, INT, compare)], cost=1),
    Function("asApproximateFloat", [method([QUANTITY], DOUBLE, as_float)], cost=1),
    Function("asInteger", [method([QUANTITY], INT, as_integer)], cost=1),
    Function("isInteger", [method([QUANTITY], BOOL, lambda q: _integer(q) is not None)], cost=1),
    Function(
        "add",
        [method(_PAIR, QUANTITY, add), method([QUANTITY, INT], QUANTITY, lambda a, b: add(a, _of_int(b)))],
        cost=1,
    ),
    Function(
        "sub",
        [method(_PAIR, QUANTITY, subtract), method([QUANTITY, INT], QUANTITY, lambda a, b: subtract(a, _of_int(b)))],
        cost=1,
    ),
)
