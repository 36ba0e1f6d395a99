"""The audit trail: nothing decided without a durable record, nothing changed without being found.

Here are the words that everybody needs. What costs more to import has a place of its own: `leaves` (what a record is),
`files` and `postgres` (where a log is kept), `process` (the log beside the webhook), `sealed` (what lies beside it, and
its erasure), `tlog` (the formats), `reading`, `checks` (verification), `query`, `reconciling`, `exports`, `web` and
`mirror` (beyond the host), `witness`.
"""

from audit.errors import (
    AuditError,
    HeadMoved,
    LogBusy,
    LogClosed,
    LogCorrupt,
    LogFull,
    LogLocked,
    LogPoisoned,
    LogRefused,
    LogRolledBack,
    LogUnavailable,
    MerkleError,
    NoteMalformed,
    ProofInvalid,
    RecordInvalid,
    SignatureInvalid,
)
from audit.leaves.record import Record, SealedPart, decision_record, event_record
from audit.ports import Envelope, Log, Position, Signer

__all__ = [
    "AuditError",
    "Envelope",
    "HeadMoved",
    "Log",
    "LogBusy",
    "LogClosed",
    "LogCorrupt",
    "LogFull",
    "LogLocked",
    "LogPoisoned",
    "LogRefused",
    "LogRolledBack",
    "LogUnavailable",
    "MerkleError",
    "NoteMalformed",
    "Position",
    "ProofInvalid",
    "Record",
    "RecordInvalid",
    "SealedPart",
    "SignatureInvalid",
    "Signer",
    "decision_record",
    "event_record",
]
