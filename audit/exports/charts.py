"""Charts as inline SVG, drawn here so that a report needs no library and no network. Pure text from counts.

Colours come from the page's style sheet by class, so that charts follow light, dark and print.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from audit.exports.summary import VERDICTS
from audit.exports.text import escaped

_STEPS = (60, 300, 900, 3600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000, 7_776_000)  # seconds per bar
_LABELS = (*_STEPS, 31_536_000)
_BARS = 72  # at most; narrower ones can't be told apart
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 1080, 240, 52, 26, 10
LABEL_LENGTH = 26  # characters of a name beside a bar
_ROW, _RANKED, _LABEL, _VALUE = 30, 500, 206, 62


def over_time(by_minute: Mapping[int, Counter[str]]) -> str:
    """Stacked bars of verdicts over the whole period; the bar's width in time fits the period."""
    if not by_minute:
        return ""
    first, last = min(by_minute) * 60, max(by_minute) * 60
    step = next((s for s in _STEPS if (last - first) / s < _BARS), (last - first) // _BARS + 1)
    bars: dict[int, Counter[str]] = {}
    for minute, counts in by_minute.items():
        bars.setdefault(minute * 60 // step, Counter()).update(counts)
    begin, count = first // step, last // step - first // step + 1
    top = _ceiling(max(sum(counts.values()) for counts in bars.values()))
    slot = (_WIDTH - _LEFT) / max(count, 12)
    height = _HEIGHT - _TOP - _BOTTOM
    parts = [_axis(top, height), *_time_labels(begin, count, step, slot)]
    parts += [
        _bar(bars[place], _LEFT + (place - begin) * slot, slot, height / top, _moment(place * step, step))
        for place in sorted(bars)
    ]
    title = f"Verdicts per {_duration(step)}"
    return _svg(title, _WIDTH, _HEIGHT, "".join(parts))


def ranked(title: str, counts: Mapping[str, Counter[str]], label: Callable[[str], str] = str, most: int = 8) -> str:
    """Horizontal stacked bars, the largest first; what is left out is said in the last row. `label` shortens names."""
    if not counts:
        return ""
    order = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))
    rows = [(name, counts[name]) for name in order[:most]]
    if len(order) > most:
        rest: Counter[str] = Counter()
        for name in order[most:]:
            rest.update(counts[name])
        rows.append((f"{len(order) - most} others", rest))
    largest = max(sum(verdicts.values()) for _, verdicts in rows)
    body = "".join(_row(number, name, label(name), verdicts, largest) for number, (name, verdicts) in enumerate(rows))
    return _svg(title, _RANKED, _ROW * len(rows), body)


def _row(number: int, name: str, label: str, verdicts: Counter[str], largest: int) -> str:
    y, x, scale = number * _ROW, float(_LABEL), (_RANKED - _LABEL - _VALUE) / largest
    text = escaped(_middle(label, LABEL_LENGTH))
    parts = [
        f"<title>{escaped(name)}: {_said(verdicts)}</title>",
        f'<text x="{_LABEL - 10}" y="{y + 19}" text-anchor="end">{text}</text>',
    ]
    for verdict in VERDICTS:
        if verdicts[verdict]:
            width = verdicts[verdict] * scale
            parts.append(f'<rect class="{verdict}" x="{x:.2f}" y="{y + 7}" width="{max(width, 1):.2f}" height="16"/>')
            x += width
    parts.append(f'<text class="value" x="{x + 8:.2f}" y="{y + 19}">{sum(verdicts.values()):,}</text>')
    return f"<g>{''.join(parts)}</g>"


def _bar(counts: Counter[str], x: float, slot: float, scale: float, when: str) -> str:
    parts, y = [f"<title>{when}: {_said(counts)}</title>"], float(_HEIGHT - _BOTTOM)
    across = f'x="{x + slot * 0.1:.2f}" width="{slot * 0.8:.2f}"'
    for verdict in reversed(VERDICTS):
        if counts[verdict]:
            size = counts[verdict] * scale
            y -= size
            parts.append(f'<rect class="{verdict}" {across} y="{y:.2f}" height="{size:.2f}"/>')
    return f"<g>{''.join(parts)}</g>"


def _axis(top: int, height: float) -> str:
    lines = []
    for part in range(5):
        if top * part % 4 and top < 4:
            continue
        y = _TOP + height * (1 - part / 4)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_short(top * part / 4)}</text>'
        )
    return "".join(lines)


def _time_labels(begin: int, count: int, step: int, slot: float) -> list[str]:
    """Round moments, far enough from each other, written below the bars that begin with them."""
    apart = 96 / slot * step  # seconds that a label is wide
    every = next((s for s in _LABELS if s >= apart), _LABELS[-1])
    labels = []
    for number in range(count):
        second = (begin + number) * step
        if second // every * every > second - step:
            x = _LEFT + (number + 0.5) * slot
            text = _moment(second // every * every, every)
            end = x + 3.6 * len(text) > _WIDTH  # it would stand out of the chart
            place = f'x="{_WIDTH if end else x:.1f}" text-anchor="{"end" if end else "middle"}"'
            labels.append(f'<text class="tick" {place} y="{_HEIGHT - 6}">{text}</text>')
    return labels


def _svg(title: str, width: int, height: int, body: str) -> str:
    label = escaped(title)
    return f'<svg role="img" aria-label="{label}" viewBox="0 0 {width} {height}">{body}</svg>'


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS if counts[verdict])


def _middle(name: str, longest: int) -> str:
    """A long name with its middle left out: references differ at their ends."""
    return name if len(name) <= longest else f"{name[: longest // 2 - 1]}…{name[-longest // 2 :]}"


def _ceiling(value: int) -> int:
    """The next round number for an axis in four parts."""
    size = 1
    while True:
        for factor in (1, 2, 4, 6, 8):
            if size * factor >= value:
                return max(4, size * factor) if size > 1 or factor >= 4 else 4
        size *= 10


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _moment(second: int, step: int) -> str:
    form = "%d %b %H:%M" if step < 86_400 else "%d %b" if step < 2_592_000 else "%b %Y"
    return datetime.fromtimestamp(second, UTC).strftime(form)


def _duration(step: int) -> str:
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if step % size == 0:
            return word if step == size else f"{step // size} {word}s"
    return f"{step} seconds"


def legend(verdicts: Sequence[str] = VERDICTS) -> str:
    """What the colours mean."""
    items = "".join(f'<li><span class="swatch {verdict}"></span>{verdict}</li>' for verdict in verdicts)
    return f'<ul class="legend">{items}</ul>'
