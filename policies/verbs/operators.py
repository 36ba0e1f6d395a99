"""Who operates a place, in one cell of a table."""

from policies.geography import Place


def operated(place: Place) -> str:
    """The operator with its country, which some have in their name already."""
    country = f"({place.operator_country or '?'})"
    name = place.operator or "?"
    return name if name.endswith(country) else f"{name} {country}"
