"""What comes to light while native policies look at one request, in the order in which it does."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from unicodedata import category

from policies.facts.unknown import Awaiting, Undetermined
from policies.native.outcome import Denial
from policies.snapshot import Question

_MOST, _CUT = 4096, 256  # characters of all warnings, and of one where all are too many


@dataclass
class Findings:
    """Collects; nothing is decided here."""

    denials: list[Denial] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    undetermined: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)

    def unknown(self, error: Undetermined) -> None:
        """Nobody may decide as long as this isn't known, whatever the failurePolicy."""
        if error.missing not in self.undetermined:
            self.undetermined.append(error.missing)
        if isinstance(error, Awaiting) and error.question not in self.questions:
            self.questions.append(error.question)

    def matched(self, policy: str) -> None:
        if policy not in self.policies:
            self.policies.append(policy)

    def annotate(self, key: str, value: str) -> None:
        """As in an audit event: what stands there stays."""
        self.annotations.setdefault(key, value)

    def publish(self, policy: str, collected: Iterable[tuple[str, str]]) -> None:
        """A policy's own annotations; different values of one key are joined."""
        values: dict[str, list[str]] = {}
        for key, value in collected:
            if value not in values.setdefault(key, []):
                values[key].append(value)
        for key, found in values.items():
            self.annotate(f"{policy}/{key}", ", ".join(found))


def header_texts(warnings: Iterable[str]) -> tuple[str, ...]:
    """The warnings as a client gets them: each once, none with control characters, and cut where together they are too
    long for the headers.
    """
    texts = [text for text in dict.fromkeys(warnings) if text and not any(category(one) == "Cc" for one in text)]
    shown: list[str] = []
    cutting = False
    for text in texts:
        written = sum(map(len, shown))
        if cutting and written >= _MOST:
            break
        if not cutting and written + len(text) > _MOST:
            cutting = True
            shown = [before[:_CUT] for before in shown]
        shown.append(text[:_CUT] if cutting else text)
    return tuple(shown)
