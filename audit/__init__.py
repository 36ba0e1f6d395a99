"""The audit trail: nothing decided without a durable record, nothing changed without being found.

Here are the words that everybody needs. What costs more to import has a module of its own: `audit.log` (the log on
files), `audit.tags`, `audit.reading`, `audit.verify`, `audit.exports`, and `audit.tlog`, the formats.
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
from audit.ports import Envelope, Log, Position, Signer
from audit.record import Record, SealedPart, decision_record, event_record, sealed_bytes

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
    "sealed_bytes",
]
