"""What an object boils down to, where it could run, and why not: as data, for whoever shows it."""

from policies.explaining.explanation import Bound, Explanation, Found, explain
from policies.explaining.placement import Addition, Narrowing, PlaceRow, PodExplained
from policies.explaining.uncounted import Uncounted
from policies.explaining.words import in_words

__all__ = [
    "Addition",
    "Bound",
    "Explanation",
    "Found",
    "Narrowing",
    "PlaceRow",
    "PodExplained",
    "Uncounted",
    "explain",
    "in_words",
]
