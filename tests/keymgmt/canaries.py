"""Secrets that are easy to find again, in whatever form they get out."""

import base64
import hashlib
import traceback
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Canaries:
    """Secrets that are easy to find again, in whatever form they get out."""

    names: dict[bytes, str] = field(default_factory=dict)

    def draw(self, name: str, size: int) -> bytes:
        """A fresh secret that is remembered."""
        value = hashlib.shake_256(f"{name}/{len(self.names)}".encode()).digest(size)
        self.names[value] = name
        return value

    def text(self, name: str) -> str:
        """A fresh secret that is text, such as a token."""
        value = f"canary-{name}-{hashlib.sha256(f'{name}/{len(self.names)}'.encode()).hexdigest()}"
        self.names[value.encode()] = name
        return value

    def seen_in(self, written: str | bytes) -> list[str]:
        """Which of them can be read there: raw, as repr, in hex or base64 of either alphabet."""
        haystack = written if isinstance(written, bytes) else written.encode("utf-8", "surrogateescape")
        return [name for value, name in self.names.items() if any(form in haystack for form in _forms(value))]

    def seen_with(self, error: BaseException) -> list[str]:
        """Which of them the error shows, its causes and all variables of frames but the tests' own included."""
        return self.seen_in("\n".join([repr(error), *traceback.format_exception(error), *_locals(error)]))


def _forms(value: bytes) -> list[bytes]:
    encoded = [base64.b64encode(value).rstrip(b"="), base64.urlsafe_b64encode(value).rstrip(b"=")]
    # repr without its quotes: the start is enough, as the quotes depend on the content
    return [value, repr(value)[2:-1].encode(), value.hex().encode(), value.hex().upper().encode(), *encoded]


def _locals(error: BaseException | None) -> list[str]:
    found = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "tests" not in Path(frame.f_code.co_filename).parts:
                found += [f"{name}={value!r}" for name, value in frame.f_locals.items()]
        error = error.__cause__ or error.__context__
    return found
