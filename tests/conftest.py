"""How properties are tried: without deadlines, for machines are shared; in CI always the same examples.

A run at a desk tries new examples each time; what it finds becomes a test of its own.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

from policies.version import is_compiled

settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure() -> None:
    """Who asks for compiled rules gets no other ones."""
    if os.environ.get("BAILIWICK_COMPILED") and not is_compiled():
        pytest.exit("the rules that are found here are not compiled: run `make test-compiled`", returncode=2)
