"""Answers that are remembered by a text that comes from outside: a name, a host, an image, a path.

Guarantees that what is held stays bounded whatever the texts are: so many answers, each for a text of so many
characters at most; a longer text is answered anew each time. An answer that is known costs one look-up in C, less than
a call of `functools.lru_cache`. That an answer depends on nothing but the text, and is not much larger than it, is left
to the function. Answers that are larger than what they are asked by are weighed, and lie on a `Shelf`.
"""

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

LONGEST = 256  # characters; names that people and programs give are shorter, and so are Kubernetes' own

Text = TypeVar("Text", bound=Hashable)
Answer = TypeVar("Answer")


class Remembering(Protocol):
    """A decorator that leaves the function's type as it is."""

    def __call__(self, compute: Callable[[Text], Answer], /) -> Callable[[Text], Answer]: ...


def remembered(most: int, longest: int = LONGEST) -> Remembering:
    """Remember up to `most` answers of a function of a text, or a tuple of texts and numbers, of `longest` characters.

    What the function raises is not remembered.
    """

    def remembering(compute: Callable[[Text], Answer], /) -> Callable[[Text], Answer]:
        return _Answers(compute, most, longest).__getitem__

    return remembering


class _Answers(dict[Text, Answer]):
    """Where there are too many all are forgotten: those that are asked for all the time are soon there again."""

    __slots__ = ("_compute", "_longest", "_most")

    def __init__(self, compute: Callable[[Text], Answer], most: int, longest: int) -> None:
        super().__init__()
        self._compute = compute
        self._most = most
        self._longest = longest

    def __missing__(self, text: Text) -> Answer:
        answer = self._compute(text)
        if _size(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = answer
        return answer


def _size(text: object) -> int:
    """Characters, or bytes; of a tuple those of all its texts."""
    if isinstance(text, tuple):
        return sum(0 if isinstance(one, int) else len(one) for one in text)
    return len(text)  # type: ignore[arg-type]


class Shelf(Generic[Text, Answer]):
    """The newest answers that are larger than a text: so many at most, and of so much weight together."""

    __slots__ = ("_held", "_most", "_room", "_weight")

    def __init__(self, most: int, weight: int) -> None:
        """`weight` is in bytes, or whatever else answers are weighed in; one alone may have a sixteenth of it."""
        self._held: dict[Text, tuple[Answer, int]] = {}
        self._most = most
        self._weight = self._room = weight

    def get(self, key: Text) -> Answer | None:
        """The answer; None where it isn't there."""
        held = self._held.get(key)
        return None if held is None else held[0]

    def keep(self, key: Text, answer: Answer, weight: int) -> None:
        """Remember an answer that isn't too heavy; the oldest are forgotten where there is no room for it."""
        before = self._held.pop(key, None)
        self._room += 0 if before is None else before[1]
        if weight > self._weight >> 4:
            return
        while self._held and (self._room < weight or len(self._held) >= self._most):
            self._room += self._held.pop(next(iter(self._held)))[1]
        self._held[key] = (answer, weight)
        self._room -= weight
