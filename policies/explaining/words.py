"""Sets of places as a person would say them, finite ones and those that are everything but something."""

from collections.abc import Sequence

from policies.geography import UNPLACED, PlaceSet

_BARE = "a node without a place label"


def in_words(places: PlaceSet) -> str:
    """A sentence part that follows `it could run`."""
    named = [_BARE if code == UNPLACED else code or '""' for code in sorted(places.codes - {UNPLACED})]
    bare = UNPLACED in places.codes
    if not places.cofinite:
        if not places.codes:
            return "nowhere"
        at = [f"at {_joined(named)}"] if named else []
        return f"only {_joined([*at, f'on {_BARE}'] if bare else at)}"
    if not places.codes:
        return "anywhere, also at places that nobody has declared"
    if not named:
        return "anywhere that has a place label, also at places that nobody has declared"
    but = _joined([*named, _BARE] if bare else named, "and")
    return f"anywhere but {but}, also at places that nobody has declared"


def _joined(parts: Sequence[str], last: str = "or") -> str:
    *first, end = parts
    return f"{', '.join(first)} {last} {end}" if first else end
