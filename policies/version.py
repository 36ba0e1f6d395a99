"""The version of this program, as it stands in decisions and records; and how its rules are run."""

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from importlib.util import find_spec


def version() -> str:
    try:
        return installed("bailiwick")
    except PackageNotFoundError:  # run from an unpacked tree
        return "0+unknown"


def is_compiled() -> bool:
    """Whether extraction runs as machine code (`make wheel`). Decisions are the same, and the version is."""
    found = find_spec("policies.workloads.extract")
    return found is not None and str(found.origin).endswith(tuple(EXTENSION_SUFFIXES))
