"""Who writes a log, within which bounds, and how it is doing."""

from dataclasses import dataclass

from audit.errors import LogRefused


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: said in every record that the log writes of itself, and in `written` of all."""

    name: str  # stable over restarts, for example the pod's ordinal name
    boot: str  # new with every run
    cluster: str
    region: str
    engine: str = ""  # version of the software

    def check(self) -> None:
        """Raise LogRefused when the names can't stand in every record."""
        for name, longest in ((self.name, 253), (self.boot, 64)):
            if not 0 < len(name) <= longest or not (name.isascii() and name.isprintable()):
                raise LogRefused(
                    f"a writer's name and boot are printable ASCII up to 253 and 64 characters: `{name!r}`"
                )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Bounds and rhythms."""

    segment_bytes: int = 16 << 20
    reserve_bytes: int = 512 << 20  # free space below which appends are refused
    alarm_bytes: int = 2 << 30  # free space below which there is a warning, long before
    publish_seconds: float = 1.0  # a record is under a signed checkpoint about this long after its append
    publish_leaves: int = 256  # so many new records are published sooner
    heartbeat_seconds: float = 60.0  # 0 for none
    unpublished: int = 1 << 18  # records that may wait for publication before appends are refused
    apart: bool = False  # publish in a process of its own; for a log on a real disk, with its head beside it


@dataclass(frozen=True, slots=True)
class LogStatus:
    """For metrics and readiness."""

    size: int
    published: int
    signed: int
    unsigned_seconds: float  # age of the oldest record that no signed checkpoint covers
    waiting: int
    refused: int
    trouble: str  # why the log is not healthy or lags behind; empty when all is well
    free_bytes: int = -1  # on the log's disk when it was last looked at; -1: not yet
    warning: str = ""  # what will be trouble, and isn't yet: little space
    witnessed: int = -1  # records under the newest checkpoint with a quorum of witnesses; -1: none are asked
    split: str = ""  # a witness saw another history of this log
