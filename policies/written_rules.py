"""The rules of a moment as one document: every object in force, the regions' data and a deployer's own catalogue of
workloads, so that they can be put in force again when a decision of then is replayed.

Guarantees that an engine made of a document has the digest of the engine it was written from, or isn't made at all.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from policies.decision import Inputs
from policies.kinds import KindInvalid, parse
from policies.loading import engine_for
from policies.rulebook import Rulebook, RulesInvalid

if TYPE_CHECKING:
    from policies.engine import RuleEngine
    from policies.facts.law import Law


class RulesUnreadable(Exception):
    """The document gives no engine, or another than the one it was written from; the message says why."""


def rules_digest(inputs: Inputs) -> bytes:
    """What a document is found by: SHA-256 over the digests of the rules and of the data they were in force with."""
    return sha256(b"bailiwick/rules/v1\0" + inputs.policies + inputs.data).digest()


def written_rules(law: "Law") -> dict[str, Any]:
    """The document, as JSON values."""
    objects = law.rulebook.objects
    document: dict[str, Any] = {
        "rules": [objects[key].model_dump(mode="json", by_alias=True, exclude_none=True) for key in sorted(objects)],
        "regions": law.geography.regions.written.decode(),
    }
    if law.catalogue is not None:
        document["catalogue"] = law.catalogue.written.decode()
    return document


def engine_of_document(document: Mapping[str, Any], inputs: Inputs) -> "RuleEngine":
    """The engine that decided under `inputs`. Raises RulesUnreadable where it can't be made bit for bit."""
    from policies.geography import Regions
    from policies.workloads import Catalogue

    try:
        kinds = [parse(found) for found in document["rules"]]
        regions = Regions.parse(document["regions"].encode()) if "regions" in document else None
        catalogue = Catalogue.of(document["catalogue"].encode()) if "catalogue" in document else None
        engine = engine_for(Rulebook.of(kinds), inputs.engine, regions, catalogue=catalogue)
    except KindInvalid as invalid:
        raise RulesUnreadable(f"this release doesn't read the rules of then: {invalid}") from invalid
    except RulesInvalid as invalid:
        raise RulesUnreadable(f"this release doesn't take the rules of then: {invalid.problems[0]}") from invalid
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RulesUnreadable(f"the document of the rules can't be read: {error}") from error
    if engine.digest != inputs.policies:
        raise RulesUnreadable("the archived rules are not those that the decision names")
    if engine.law.data_digest != inputs.data:
        raise RulesUnreadable(
            f"the catalogue of workloads has changed since: replay with the release that decided ({inputs.engine})"
        )
    return engine
