"""Who operates a place, and what a jurisdiction has against it, in one cell of a table."""

from collections.abc import Sequence

from policies.geography import Place


def operated(place: Place) -> str:
    """The operator with its country, which some have in their name already."""
    country = f"({place.operator_country or '?'})"
    name = place.operator or "?"
    return name if name.endswith(country) else f"{name} {country}"


def against(code: str, refusals: Sequence[str]) -> str:
    """In a row that begins with the place, so that it needn't be said again."""
    said = (refusal.removeprefix(f"`{code}`").removeprefix(":").removeprefix(" is").strip() for refusal in refusals)
    return f"no: {'; '.join(said)}"
