"""What a verification found, as data: problems, each with a precise message, and notes that are no problem."""

from dataclasses import dataclass, field

LIMIT = 1_000  # a wholly damaged log would otherwise fill the memory with messages


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that doesn't fit. `where` is a file or a record; `index` its number where there is one."""

    where: str
    message: str
    index: int | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(slots=True)
class Findings:
    """Collects findings up to a limit, and counts all."""

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    total: int = 0

    def problem(self, where: str, message: str, index: int | None = None) -> None:
        """Something is wrong."""
        self.total += 1
        if len(self.problems) < LIMIT:
            self.problems.append(Finding(where, message, index))

    def note(self, where: str, message: str, index: int | None = None) -> None:
        """Something that a reader should know and that proves nothing wrong."""
        if len(self.notes) < LIMIT:
            self.notes.append(Finding(where, message, index))

    def take(self, other: "Findings") -> None:
        """Take over what somebody else found."""
        self.total += other.total
        self.problems += other.problems[: LIMIT - len(self.problems)]
        self.notes += other.notes[: LIMIT - len(self.notes)]
