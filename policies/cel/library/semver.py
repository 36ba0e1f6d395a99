"""Semantic versions 2.0.0, and the looser ones that `semver(text, true)` makes strict."""

from __future__ import annotations

import re
from dataclasses import dataclass

from policies.cel import cost
from policies.cel.errors import EvaluationError, Fatal
from policies.cel.functions import Function, free, method, table
from policies.cel.library.quoting import quoted
from policies.cel.sizes import notation
from policies.cel.types import BOOL, INT, STRING, CelType, library_type
from policies.cel.values import UINT_MAX, LibraryValue, Value

SEMVER: CelType = library_type("kubernetes.Semver")
_DIGITS = re.compile(r"[0-9]*")
_WORD = re.compile(r"[0-9A-Za-z-]+")

Part = tuple[int, int, str]  # numbers sort before words


@dataclass(frozen=True, slots=True, eq=False)
class Semver(LibraryValue):
    major: int
    minor: int
    patch: int
    pre: tuple[Part, ...] = ()
    build: tuple[str, ...] = ()
    cel_type = SEMVER

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.pre:
            text += "-" + ".".join(word or str(number) for _, number, word in self.pre)
        return text + "+" + ".".join(self.build) if self.build else text

    def cel_equal(self, other: Value) -> bool:
        if type(other) is not Semver:
            raise EvaluationError("no such overload")
        return compare(self, other) == 0

    def cel_mark(self) -> object:
        raise Fatal("runtime error: hash of unhashable type semver.Version")

    def cel_native(self) -> Value:
        return EvaluationError(f"unsupported conversion to ref.Val: (semver.Version){self}")

    @property
    def order(self) -> tuple[int, int, int, bool, tuple[Part, ...]]:
        return self.major, self.minor, self.patch, not self.pre, self.pre


def parse(text: str) -> Semver:
    """Raises EvaluationError for what isn't a semantic version."""
    if not text:
        raise EvaluationError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise EvaluationError("No Major.Minor.Patch elements found")
    rest, plus, build = parts[2].partition("+")
    patch, dash, pre = rest.partition("-")
    return Semver(
        _number("Major", parts[0]),
        _number("Minor", parts[1]),
        _number("Patch", patch),
        tuple(map(_pre, pre.split("."))) if dash else (),
        tuple(map(_build, build.split("."))) if plus else (),
    )


def _number(name: str, digits: str) -> int:
    if not _DIGITS.fullmatch(digits):
        raise EvaluationError(f"Invalid character(s) found in {name.lower()} number {quoted(digits)}")
    if len(digits) > 1 and digits[0] == "0":
        raise EvaluationError(f"{name} number must not contain leading zeroes {quoted(digits)}")
    return _unsigned(digits)


def _unsigned(digits: str) -> int:
    if not digits:
        raise EvaluationError('strconv.ParseUint: parsing "": invalid syntax')
    if len(digits) > 20 or int(digits) > UINT_MAX:
        raise EvaluationError(f"strconv.ParseUint: parsing {quoted(digits)}: value out of range")
    return int(digits)


def _pre(part: str) -> Part:
    if not part:
        raise EvaluationError("Prerelease is empty")
    if _DIGITS.fullmatch(part):
        if len(part) > 1 and part[0] == "0":
            raise EvaluationError(f"Numeric PreRelease version must not contain leading zeroes {quoted(part)}")
        return 0, _unsigned(part), ""
    if not _WORD.fullmatch(part):
        raise EvaluationError(f"Invalid character(s) found in prerelease {quoted(part)}")
    return 1, 0, part


def _build(part: str) -> str:
    if not part:
        raise EvaluationError("Build meta data is empty")
    if not _WORD.fullmatch(part):
        raise EvaluationError(f"Invalid character(s) found in build meta data {quoted(part)}")
    return part


def normalized(text: str, normalize: bool) -> Semver:
    """`v1.02` becomes 1.2.0: a leading v goes, missing numbers are zeros, leading zeros go."""
    if not normalize:
        return parse(text)
    parts = [_without_zeros(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3:
        if "+" in parts[-1] or "-" in parts[-1]:
            raise EvaluationError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return parse(".".join(parts))


def _without_zeros(part: str) -> str:
    if len(part) < 2:
        return part
    stripped = part.lstrip("0")
    return stripped if stripped and stripped[0] in "0123456789" else f"0{stripped}"


def compare(a: Semver, b: Semver) -> int:
    """-1, 0 or 1; build metadata doesn't count."""
    return (a.order > b.order) - (a.order < b.order)


def is_semver(text: str, normalize: bool = False) -> bool:
    try:
        normalized(text, normalize)
    except EvaluationError:
        return False
    return True


def _part(value: int) -> int:
    """The API server hands out 64 bits as they are."""
    return value - 2**64 if value >= 2**63 else value


_PAIR = [SEMVER, SEMVER]

TABLE = table(
    Function(
        "semver",
        [free([STRING], SEMVER, notation(parse)), free([STRING, BOOL], SEMVER, notation(normalized))],
        cost=cost.traversal,
    ),
    Function(
        "isSemver",
        [free(args, BOOL, notation(is_semver)) for args in ([STRING], [STRING, BOOL])],
        cost=cost.traversal,
    ),
    Function("isGreaterThan", [method(_PAIR, BOOL, lambda a, b: compare(a, b) > 0)], cost=1),
    Function("isLessThan", [method(_PAIR, BOOL, lambda a, b: compare(a, b) < 0)], cost=1),
    Function("compareTo", [method(_PAIR, INT, compare)], cost=1),
    Function("major", [method([SEMVER], INT, lambda version: _part(version.major))], cost=1),
    Function("minor", [method([SEMVER], INT, lambda version: _part(version.minor))], cost=1),
    Function("patch", [method([SEMVER], INT, lambda version: _part(version.patch))], cost=1),
)
