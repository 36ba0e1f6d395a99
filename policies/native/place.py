"""A place in a manifest while it is read: its value, its path, and one list for everything that is found wrong.

Reading goes on after a mistake with something harmless in its place, so that all mistakes are found at once; whoever
reads must look at the list before anything of it is used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.kinds.problems import Problem, close, field_path, shown
from policies.kinds.reading import Located

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class Place:
    """One value of a manifest."""

    __slots__ = ("document", "path", "problems", "value")

    def __init__(self, document: Located, value: Any, path: tuple[str | int, ...], problems: list[Problem]) -> None:
        self.document, self.value, self.path, self.problems = document, value, path, problems

    @classmethod
    def root(cls, document: Located, problems: list[Problem]) -> "Place":
        return cls(document, document.value, (), problems)

    def wrong(self, message: str, hint: str = "") -> None:
        """Records a problem with this value."""
        line = self.document.position(self.path)
        self.problems.append(Problem(self._source(), line, field_path(self.path), message, hint))

    def _source(self) -> str:
        """Where the manifest lies, or what it is."""
        if self.document.source:
            return self.document.source
        value = self.document.value
        metadata = value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        return f"{value.get('kind')} `{name or ''}`"

    def __bool__(self) -> bool:
        """Whether anything is written here."""
        return self.value is not None

    def at(self, key: str) -> "Place":
        """A member; of what isn't a mapping, nothing."""
        value = self.value.get(key) if isinstance(self.value, Mapping) else None
        return Place(self.document, value, (*self.path, key), self.problems)

    def known(self, names: Sequence[str]) -> "Place":
        """The mapping, whose members must be among these. What is written must be a mapping."""
        if self.value is not None and not isinstance(self.value, Mapping):
            self.wrong(f"expected a mapping, not {shown(self.value)}")
            return Place(self.document, None, self.path, self.problems)
        for name in self.value or ():
            if name not in names:
                meant = close(str(name), names)
                hint = f"did you mean `{meant}`?" if meant else f"known here: {', '.join(f'`{one}`' for one in names)}"
                self.at(name).wrong("unknown field", hint)
        return self

    def required(self, hint: str = "") -> "Place":
        if self.value is None:
            self.wrong("missing", hint)
        return self

    def items(self) -> Iterator["Place"]:
        """The items of a list."""
        if self.value is not None and not isinstance(self.value, list | tuple):
            self.wrong(f"expected a list, not {shown(self.value)}")
            return
        for index, item in enumerate(self.value or ()):
            yield Place(self.document, item, (*self.path, index), self.problems)

    def text(self, default: str = "") -> str:
        """The text that is written here, or the default."""
        if self.value is None or isinstance(self.value, str):
            return self.value if self.value is not None else default
        self.wrong(f"expected text, not {shown(self.value)}", "put it in quotes")
        return default

    def filled(self, hint: str = "") -> str:
        """A text that must be there and hold more than white space."""
        if self.value is None:
            self.wrong("missing", hint)
        text = self.text()
        if self.value is not None and isinstance(self.value, str) and not text.strip():
            self.wrong("must not be empty", hint)
        return text

    def name(self, what: str) -> str:
        """The name of an object."""
        text = self.filled(f"the name of the {what}")
        if text.strip() and (len(text) > 253 or not _SUBDOMAIN.fullmatch(text)):
            self.wrong(f"expected the name of a {what}, not {shown(text)}", "lower case letters, digits, `-` and `.`")
        return text

    def word(self, words: Sequence[str], default: str = "") -> str:
        """One of these words; a problem where there is no default and nothing is written."""
        if self.value is None and default:
            return default
        if self.value is None:
            self.wrong("missing", f"one of {_listed(words)}")
        elif self.value not in words:
            meant = close(self.value, words) if isinstance(self.value, str) else ""
            hint = f"did you mean `{meant}`?" if meant else ""
            self.wrong(f"expected one of {_listed(words)}, not {shown(self.value)}", hint)
        return self.value if self.value in words else words[0]

    def texts(self, hint: str = "") -> tuple[str, ...]:
        """A list of texts; with a hint, at least one."""
        found = tuple(item.text() for item in self.items())
        if hint and not found:
            self.wrong("must have at least one item", hint)
        return found


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
