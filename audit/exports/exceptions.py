"""The section on exceptions: waivers that were used, and the guard set aside."""

from collections.abc import Mapping

from audit.exports.markup import table_section
from audit.exports.summary import Event, Summary

MOST = 40
_EVERYWHERE = frozenset({"schema", "time", "cluster", "region", "engine", "written", "tags", "cut"})
_BREAK_GLASS = frozenset({"break-glass", "breakglass"})


def waivers(summary: Summary) -> str:
    """The waivers used."""
    if not summary.waivers:
        return ""
    rows = [(f"{count:,}", name) for name, count in summary.waivers.most_common(MOST)]
    left = len(summary.waivers) - len(rows)
    return table_section(
        "Waivers used", ("Times", "Waiver"), rows, f"{left} more are left out." if left else "", counts=1
    )


def break_glass(summary: Summary) -> str:
    """When the guard was set aside, and for what."""
    events = [event for event in summary.events if event.name in _BREAK_GLASS]
    if not events:
        return ""
    rows = [(f"{event.index:,}", moment(event.time), details(event.fields)) for event in events[-MOST:]]
    left = len(events) - len(rows)
    note = f"{left:,} earlier ones are left out." if left else ""
    return table_section("Break-glass", ("Record", "Time", "What"), rows, note, counts=1, kind="events")


def told(events: list[Event]) -> list[Event]:
    """The events that have no section of their own."""
    return [event for event in events if event.name != "heartbeat" and event.name not in _BREAK_GLASS]


def details(fields: Mapping[str, object]) -> str:
    """A record's own fields in one line."""
    said = []
    for name, value in fields.items():
        if name not in _EVERYWHERE:
            plain = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            said.append(f"{name.replace('_', ' ')}: {plain}")
    return "; ".join(said)


def moment(time: str) -> str:
    """A record's time to the minute."""
    return f"{time[:16].replace('T', ' ')} UTC"
