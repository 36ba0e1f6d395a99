"""What can go wrong with the log, one class for each thing that a caller can do about it."""


class AuditError(Exception):
    """Any failure of this package."""


class RecordInvalid(AuditError):
    """The fields don't fit the leaf's table: correct the caller, nothing was written."""


class LogUnavailable(AuditError):
    """The record is not durable: deny, unless every matching policy says `failurePolicy: Ignore`."""


class LogBusy(LogUnavailable):
    """Too many records wait for the disk: back off and try again."""


class LogFull(LogUnavailable):
    """The disk's reserve is reached: free space or add a volume; appends resume by themselves."""


class LogPoisoned(LogUnavailable):
    """The disk failed a write or a sync, what it holds is uncertain: restart the process to recover what is there."""


class LogClosed(LogUnavailable):
    """The log has been closed."""


class LogEnded(LogUnavailable):
    """This shard has ended, and another goes on: append there."""


class LogGone(LogUnavailable):
    """The log's process has ended: it is started again, and recovers what is durable."""


class WireBroken(LogUnavailable):
    """The process at the other end does not speak as it should: restart both."""


class LogRefused(AuditError):
    """The log can't be opened as it is; the message says what was found and what to do."""

    hint = "nothing was written: do what the message says, then start again"


class LogLocked(LogRefused):
    """Another process writes this log: stop it, or give each writer a directory of its own."""


class LogCorrupt(LogRefused):
    """Bytes that had been durable are damaged: keep the directory as evidence and restore from the mirror."""


class LogRolledBack(LogRefused):
    """The directory holds less than what was already published (a restored snapshot?): bring the newer copy back."""


class PruneRefused(AuditError):
    """The shard stays as it is: too young, held, or still written."""

    hint = "`bailiwick audit prune` without --yes shows which shards may go, and why others may not"


class LogUnsafe(LogRefused):
    """The database could lose or change what it acknowledged; the message names the setting or the role to change."""


class HeadMoved(AuditError):
    """Another writer published meanwhile: stop, two histories would begin."""


class LogForked(AuditError):
    """The log signed two histories that can't both be: stop, keep both checkpoints, and ask whoever runs it."""

    hint = "keep the evidence; compare both checkpoints with what witnesses and other mirrors hold"


class SourceBroken(AuditError):
    """What a log shows doesn't fit its own signed checkpoint: its files are damaged or changed; nothing was copied."""

    hint = "run `bailiwick audit verify` where the log lies"


class SourceBehind(AuditError):
    """A log shows an older checkpoint than was seen before, of the same history: an old copy, or a stale cache."""

    hint = "bring the log's newer copy back, or restore it from this mirror"


class MerkleError(AuditError):
    """A hash, proof, tile, note or checkpoint does not hold."""


class ProofInvalid(MerkleError):
    """The proof does not connect what it should connect."""


class NoteMalformed(MerkleError):
    """The bytes are no signed note, verifier key, checkpoint or proof at all."""


class SignatureInvalid(MerkleError):
    """A known key's signature fails, or no known key signed."""


class PolicyMalformed(NoteMalformed):
    """The bytes are no tlog-policy; the message names the line."""


class QuorumMissing(SignatureInvalid):
    """The log signed the checkpoint, and too few of the policy's witnesses did: wait for them, or use an older one."""


class TileMalformed(MerkleError):
    """A tile or entry bundle has the wrong size or framing."""
