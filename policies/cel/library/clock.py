"""Durations and timestamps: Go's notation for them, and the parts of a moment in a time zone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from policies.cel.errors import EvaluationError
from policies.cel.functions import Function, method, table
from policies.cel.library.digits import plain, shortest
from policies.cel.types import DURATION, INT, STRING, TIMESTAMP
from policies.cel.values import Duration, Timestamp, timestamp
from policies.remembered import remembered

SECOND = 10**9
_MAX_DURATION = 1000  # characters
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_PART = re.compile(r"([0-9]*)(?:(\.)([0-9]*))?([^0-9.]+)")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NUMBER = re.compile(r"[+-]?[0-9]+")


def parse_duration(text: str) -> Duration:
    """Go's time.ParseDuration: "1h30m", "-1.5s", "100ms"."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return Duration(0)
    if len(rest) > _MAX_DURATION:
        raise _not_a_duration()
    total, at = 0, 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None or (not part[1] and not part[3]) or part[4] not in _UNITS:
            raise _not_a_duration()
        unit = _UNITS[part[4]]
        total += _whole(part[1]) * unit + _fraction(part[3] or "", unit)
        if total > 2**63:
            raise _not_a_duration()
        at = part.end()
    negative = text.startswith("-")
    if not rest or (total == 2**63 and not negative):
        raise _not_a_duration()
    return Duration(-total if negative else total)


def _whole(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) < 20 else 2**64


def _fraction(digits: str, unit: int) -> int:
    """Go scales the fraction in floating point; digits beyond 2^63 are ignored."""
    value, scale = 0, 1.0
    for digit in digits:
        following = value * 10 + int(digit)
        if value > (2**63 - 1) // 10 or following > 2**63:
            break
        value, scale = following, scale * 10
    return int(float(value) * (float(unit) / scale))


def _not_a_duration() -> EvaluationError:
    return EvaluationError("type conversion error from 'string' to 'google.protobuf.Duration'")


def format_duration(value: Duration) -> str:
    """Seconds, as few digits as it takes."""
    seconds, rest = divmod(abs(int(value)), SECOND)
    sign, digits, exponent = shortest(float(seconds) + float(rest) / 1e9)
    return f"{'-' if value < 0 else sign}{plain(digits, exponent)}s"


def parse_timestamp(text: str) -> Timestamp:
    """RFC 3339 as Go reads it: one digit is enough for the hour, a comma may open the fraction, 24:60 is a zone."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise _not_a_timestamp()
    year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
    if hour > 23 or minute > 59 or second > 59 or not 1 <= month <= 12 or not 1 <= day <= _days(year, month):
        raise _not_a_timestamp()
    offset = _offset(found[8], found[9], found[10]) if found[8] else 0
    seconds = (_ordinal(year, month, day) - _EPOCH_DAY) * 86400 + hour * 3600 + minute * 60 + second - offset
    fraction = int((found[7] or "0")[:9].ljust(9, "0"))
    return timestamp(seconds * SECOND + fraction, offset)


def _offset(sign: str, hours: str, minutes: str) -> int:
    if int(hours) > 24 or int(minutes) > 60:
        raise _not_a_timestamp()
    return (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1)


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _ordinal(year: int, month: int, day: int) -> int:
    if year == 0:  # before Python's first day, within Go's calendar
        return date(4, month, day).toordinal() - (date(4, 1, 1).toordinal() - 1) - 366
    return date(year, month, day).toordinal()


def _not_a_timestamp() -> EvaluationError:
    return EvaluationError("type conversion error from 'string' to 'google.protobuf.Timestamp'")


def format_timestamp(moment: Timestamp) -> str:
    """RFC 3339 in the zone the moment was written in, with as much of the fraction as there is."""
    seconds, nanoseconds = divmod(int(moment), SECOND)
    year, month, day, rest = _calendar(seconds + moment.offset)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}{fraction}{_zone(moment.offset)}"


def _zone(offset: int) -> str:
    if not offset:
        return "Z"
    minutes = abs(offset) // 60
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def _calendar(seconds: int) -> tuple[int, int, int, int]:
    """Year, month, day and the second of the day. A zone can push a moment out of the years that Python counts."""
    days, rest = divmod(seconds, 86400)
    ordinal = days + _EPOCH_DAY
    if ordinal < 1:
        shifted = date.fromordinal(ordinal + 146097)
        return shifted.year - 400, shifted.month, shifted.day, rest
    if ordinal > date.max.toordinal():
        shifted = date.fromordinal(ordinal - 146097)
        return shifted.year + 400, shifted.month, shifted.day, rest
    found = date.fromordinal(ordinal)
    return found.year, found.month, found.day, rest


def _zone_seconds(moment: Timestamp, zone: str, real_minutes: bool) -> int:
    """Seconds east of UTC: `zone` is an IANA name, or hours and minutes as cel-go reads them.

    `real_minutes` refuses more than 59 of them.
    """
    hours, colon, minutes = zone.partition(":")
    if not colon:
        return _named_zone_seconds(int(moment) // SECOND, zone)
    if not _NUMBER.fullmatch(hours):
        raise EvaluationError(f'strconv.Atoi: parsing "{hours}": invalid syntax')
    if not _NUMBER.fullmatch(minutes):
        raise EvaluationError(f'strconv.Atoi: parsing "{minutes}": invalid syntax')
    if real_minutes and not 0 <= int(minutes[:12]) <= 59:
        raise EvaluationError(f"timezone offset minutes out of range [0, 59]: {zone}")
    total = int(hours[:12]) * 60
    return (total - int(minutes[:12]) if zone[0] == "-" else total + int(minutes[:12])) * 60


def _named_zone_seconds(seconds: int, name: str) -> int:
    if name in ("", "UTC", "Local"):  # API servers run in UTC
        return 0
    zone = _load(name)
    if zone is None:
        raise EvaluationError(f"unknown time zone {name}")
    base = datetime(1970, 1, 1, tzinfo=UTC)
    clamped = min(max(seconds, -62135596800 + 86400), 253402300799 - 86400)
    offset = (base + timedelta(seconds=clamped)).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


@remembered(64)
def _load(name: str):  # type: ignore[no-untyped-def]  # zoneinfo is imported only when a zone is named
    import zoneinfo

    if name.startswith("/") or ".." in name or "\\" in name:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment as a calendar and a clock show it."""

    year: int
    month: int
    day: int
    second: int  # of the day
    nanosecond: int


def _clock(moment: Timestamp, offset: int) -> Clock:
    seconds, nanoseconds = divmod(int(moment), SECOND)
    return Clock(*_calendar(seconds + offset), nanoseconds)


def _part(name: str, part: Callable[[Clock], int], real_minutes: bool) -> Function:
    def utc(moment: Timestamp) -> int:
        return part(_clock(moment, 0))

    def zoned(moment: Timestamp, zone: str) -> int:
        return part(_clock(moment, _zone_seconds(moment, zone, real_minutes)))

    return Function(name, [method([TIMESTAMP], INT, utc), method([TIMESTAMP, STRING], INT, zoned)])


def _span(name: str, unit: int) -> Function:
    """The same name on a duration: its whole length in a unit, as Go finds it.

    Whole units and their fraction are added in floating point: what is a nanosecond short of a unit may count as one.
    """

    def length(value: Duration) -> int:
        whole, rest = divmod(abs(int(value)), unit)
        return int(math.copysign(float(whole) + float(rest) / float(unit), value))

    return Function(name, [method([DURATION], INT, length)])


def _milliseconds(value: Duration) -> int:
    return int(math.copysign(abs(int(value)) // 10**6, value))


def _day_of_year(clock: Clock) -> int:
    return sum(_days(clock.year, earlier) for earlier in range(1, clock.month)) + clock.day - 1


def _weekday(clock: Clock) -> int:
    return date((clock.year - 1) % 400 + 1, clock.month, clock.day).isoweekday() % 7


_PARTS: tuple[tuple[str, Callable[[Clock], int]], ...] = (
    ("getFullYear", lambda clock: clock.year),
    ("getMonth", lambda clock: clock.month - 1),
    ("getDayOfYear", _day_of_year),
    ("getDayOfMonth", lambda clock: clock.day - 1),
    ("getDate", lambda clock: clock.day),
    ("getDayOfWeek", _weekday),
    ("getHours", lambda clock: clock.second // 3600),
    ("getMinutes", lambda clock: clock.second // 60 % 60),
    ("getSeconds", lambda clock: clock.second % 60),
    ("getMilliseconds", lambda clock: clock.nanosecond // 10**6),
)
BEFORE_1_37 = table(*(_part(name, part, real_minutes=False) for name, part in _PARTS))
SINCE_1_37 = table(*(_part(name, part, real_minutes=True) for name, part in _PARTS))
TABLE = table(
    _span("getHours", 3600 * SECOND),
    _span("getMinutes", 60 * SECOND),
    _span("getSeconds", SECOND),
    Function("getMilliseconds", [method([DURATION], INT, _milliseconds)]),
)
