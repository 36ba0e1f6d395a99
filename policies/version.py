"""The version of this program, as it stands in decisions and records."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    try:
        return installed("bailiwick")
    except PackageNotFoundError:  # run from an unpacked tree
        return "0+unknown"
