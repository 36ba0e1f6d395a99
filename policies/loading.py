"""From the operator's objects to an engine, whole or not at all.

What can't be put in force whole is refused whole: `RulesInvalid` with every problem, and the rules of before stay.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from policies.deciding.compiling import Compilation
from policies.engine import RuleEngine
from policies.facts.law import Law
from policies.geography import Regions
from policies.reasons import reason_codes
from policies.rulebook import Rulebook, RulesInvalid

if TYPE_CHECKING:
    from policies.kinds import Kind
    from policies.kinds.reading import Located
    from policies.workloads import Catalogue


def engine_for(
    rulebook: Rulebook,
    version: str,
    regions: Regions | None = None,
    kubernetes: tuple[int, int] = (1, 36),
    places: "Mapping[tuple[str, str, str], Located] | None" = None,
    catalogue: "Catalogue | None" = None,
) -> RuleEngine:
    """An engine over these rules. `version` is the program's, and stands in every decision. Raises RulesInvalid.

    `places` says where objects are written, by kind, namespace and name: problems then name file and line.
    """
    from policies.cel import Compiler
    from policies.facts.environment import environment

    compilation = Compilation(environment(kubernetes, regions), [], Compiler(), places or {})
    compiled = [compilation.policy(policy) for policy in rulebook.policies]
    problems = compilation.problems
    try:
        law = Law.of(rulebook, regions, catalogue, places)
    except RulesInvalid as invalid:
        problems.extend(invalid.problems)
    if problems:
        raise RulesInvalid(problems)
    return RuleEngine(compiled, law, reason_codes(), version)


def rulebook_of(*layers: "Iterable[Kind]") -> Rulebook:
    """Objects of later layers replace those of the same kind and name: built-in packs, files, then the cluster."""
    objects: Mapping[tuple[str, str, str], Kind] = {}
    for layer in layers:
        objects = {**objects, **Rulebook.of(layer).objects}
    return Rulebook(objects)
