"""What reports say about decisions, handed to `audit` as data: it knows codes, and nothing of policies."""

from collections.abc import Mapping

from audit.exports.sections import ReasonText
from policies.reasons import reason_codes


def reason_texts() -> Mapping[str, ReasonText]:
    """The sentence, the remedy and the controls of every reason code."""
    return {code.id: ReasonText(code.sentence, code.fix, code.controls) for code in reason_codes().values()}
