"""The audit trail: nothing decided without a durable record, nothing changed without being found."""

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
from audit.heads import FileHead, Head, TreeHead
from audit.log import FileLog, LogSettings, LogStatus, Writer
from audit.ports import Envelope, Log, Position, Signer
from audit.record import Record, SealedPart, decision_record, event_record, sealed_bytes
from audit.tags import Tagger, salted

__all__ = [
    "AuditError",
    "Envelope",
    "FileHead",
    "FileLog",
    "Head",
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
    "LogSettings",
    "LogStatus",
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
    "Tagger",
    "TreeHead",
    "Writer",
    "decision_record",
    "event_record",
    "salted",
    "sealed_bytes",
]
