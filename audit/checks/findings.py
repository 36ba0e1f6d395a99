"""What a verification found, as data: problems, each with a precise message, and notes that are no problem."""

from dataclasses import dataclass, field

LIMIT = 1_000  # a wholly damaged log would otherwise fill the memory with messages
MOST_UNREADABLE = 100_000  # records whose reasons are kept


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that doesn't fit. `where` is a file or a record; `index` its number where there is one."""

    where: str
    message: str
    index: int | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def unread(error: Exception) -> str:
    """Why a file's contents can't be had, without the path: the finding says where."""
    return f"can't be read: {error.strerror or error}" if isinstance(error, OSError) else str(error)


@dataclass(slots=True)
class Findings:
    """Collects findings up to a limit, and counts all."""

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    total: int = 0
    unreadable: dict[int, str] = field(default_factory=dict)  # records that can't be read, and why
    about_unreadable: int = 0  # problems that are nothing but that

    def problem(self, where: str, message: str, index: int | None = None) -> None:
        """Something is wrong."""
        self.total += 1
        if len(self.problems) < LIMIT:
            self.problems.append(Finding(where, message, index))

    def cannot_read(self, index: int, why: str) -> None:
        """The record's bytes are what was appended, and say nothing that can be relied on."""
        self.follows_from_unreadable(f"record {index}", f"can't be read: it {why}", index)
        if len(self.unreadable) < MOST_UNREADABLE:
            self.unreadable[index] = why

    def follows_from_unreadable(self, where: str, message: str, index: int | None = None) -> None:
        """Something is wrong that a record which can't be read explains."""
        self.about_unreadable += 1
        self.problem(where, message, index)

    def note(self, where: str, message: str, index: int | None = None) -> None:
        """Something that a reader should know and that proves nothing wrong."""
        if len(self.notes) < LIMIT:
            self.notes.append(Finding(where, message, index))

    def take(self, other: "Findings") -> None:
        """Take over what somebody else found."""
        self.total += other.total
        self.about_unreadable += other.about_unreadable
        self.unreadable |= dict(list(other.unreadable.items())[: MOST_UNREADABLE - len(self.unreadable)])
        self.problems += other.problems[: LIMIT - len(self.problems)]
        self.notes += other.notes[: LIMIT - len(self.notes)]
