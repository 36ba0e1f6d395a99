"""The lines of a file that a reason is about: those of the constraints that its message names, where it names some."""

import re
from collections.abc import Sequence

from policies.decision import Reason
from policies.explaining.expressions import place_expressions
from policies.geography import PLACE_LABEL
from policies.geography.affinity import REQUIRED_PATH
from policies.geography.fields import at
from policies.manifests import Document
from policies.positions import line_of

_OF_PODS = ("place-", "isolation-too-weak")
_NAMED = re.compile(r"`(spec\.[^`]+)`")


def lines_of(document: Document, reason: Reason) -> Sequence[int]:
    """At least one. A message about a pod may name what stands in it as in a Pod; its path says where that stands."""
    whole = line_of(document, reason.path)
    if not reason.code.startswith(_OF_PODS):
        return (whole,)
    named = (found.replace(f"[{PLACE_LABEL}]", f'["{PLACE_LABEL}"]') for found in _NAMED.findall(reason.message))
    lines = {line for below in named for line in _below(document, reason.path, below) if line > whole}
    return sorted(lines) or (whole,)


def _below(document: Document, pod: str, path: str) -> Sequence[int]:
    """`pod` is a template with a spec, or a spec itself; what isn't there is no further down than what is above it.

    Of a required affinity they are the lines where it says something about places, if it does.
    """
    bases = (path, f"{pod}.{path}", f"{pod}.{path.removeprefix('spec.')}") if not path.startswith(pod) else (path,)
    found = max(bases, key=lambda base: line_of(document, base))
    within = (f"{found}.{below}" for below in place_expressions(at(document.value, *found.split("."))))
    return [line_of(document, each) for each in within if path == REQUIRED_PATH] or [line_of(document, found)]
