"""Values made safe to show: nothing that a hostile string holds moves, hides or runs anything in a report."""

import html
import re

LONGEST = 300  # characters shown of one value; the rest is in the log

# C0 and C1 controls, bidirectional and zero-width controls, line and paragraph separators, the byte order mark,
# surrogates, tags and other characters that show nothing
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def shown(value: str, longest: int = LONGEST) -> str:
    """The text with everything invisible written out, and cut when it is very long."""
    text = value if len(value) <= longest else f"{value[: longest - 1]}…"
    return INVISIBLE.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", text)


def escaped(value: str, longest: int = LONGEST) -> str:
    """`shown`, for HTML text and attributes."""
    return html.escape(shown(value, longest), quote=True)
