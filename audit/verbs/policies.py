"""How a command reads a tlog-policy, and what it asks of a log."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from audit.checks.report import Report
    from audit.tlog.checkpoints import Checkpoint
    from audit.tlog.notes import VerifierKey
    from audit.tlog.policy import Policy


def policy_of(path: Path) -> "Policy":
    """The policy in a file."""
    from audit.errors import PolicyMalformed
    from audit.tlog.policy import Policy

    try:
        return Policy.parse(path.read_bytes())
    except PolicyMalformed as error:
        raise click.UsageError(f"`{path}` is no tlog-policy: {error}") from error


class Demand:
    """What a policy, if there is one, asks of the log in a directory: a quorum, over a part of just these records."""

    def __init__(self, directory: Path, path: Path | None) -> None:
        self._policy = policy_of(path) if path is not None else None
        self._found = witnessed_checkpoint(directory, self._policy) if self._policy else None

    @property
    def keys(self) -> "tuple[VerifierKey, ...]":
        """The logs that the policy believes, and its witnesses."""
        if self._policy is None:
            return ()
        return (*(log.key for log in self._policy.logs), *(witness.key for witness in self._policy.witnesses))

    @property
    def remembered(self) -> "tuple[Checkpoint, ...]":
        """What the log's records must make at that size."""
        return () if self._found is None or isinstance(self._found, str) else (self._found,)

    def told(self, report: "Report") -> "Report":
        """The report with what became of the demand."""
        from audit.checks.findings import Finding

        if self._policy is None or self._found is None:
            return report
        if isinstance(self._found, str):
            problem = Finding("policy", self._found)
            return replace(report, problems=(*report.problems, problem), total_problems=report.total_problems + 1)
        beyond = report.records - self._found.size
        message = f"satisfied for the first {self._found.size} records; {max(beyond, 0)} came after"
        return replace(report, notes=(*report.notes, Finding("policy", message)))


def witnessed_checkpoint(directory: Path, policy: "Policy") -> "Checkpoint | str":
    """The newest checkpoint in a log's directory that satisfies the policy, or why there is none."""
    from audit.errors import MerkleError
    from audit.files.layout import CHECKPOINT
    from audit.published import WITNESSED, NotPublished, PublishedFiles

    log = PublishedFiles(directory)
    found = []
    why = "no checkpoint satisfies it: there is none"
    for name in (WITNESSED, CHECKPOINT):
        try:
            found.append(policy.verify(log.note(name))[0])
        except (NotPublished, OSError):
            continue
        except MerkleError as error:
            why = f"no checkpoint satisfies it: {error}"
    return max(found, key=lambda checkpoint: checkpoint.size, default=why)
