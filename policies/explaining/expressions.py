"""Where in a required node affinity the place label stands: the lines that a person would change."""

from collections.abc import Iterator

from policies.geography import PLACE_LABEL
from policies.json import Json


def place_expressions(required: Json) -> Iterator[str]:
    """Paths below a required node affinity, in its order. Nothing for what is of another type."""
    terms = required.get("nodeSelectorTerms") if isinstance(required, dict) else None
    for index, term in enumerate(terms if isinstance(terms, list) else ()):
        expressions = term.get("matchExpressions") if isinstance(term, dict) else None
        for at, expression in enumerate(expressions if isinstance(expressions, list) else ()):
            if isinstance(expression, dict) and expression.get("key") == PLACE_LABEL:
                yield f"nodeSelectorTerms[{index}].matchExpressions[{at}]"
