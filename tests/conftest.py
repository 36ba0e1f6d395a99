"""How properties are tried: without deadlines, for machines are shared; in CI always the same examples.

A run at a desk tries new examples each time; what it finds becomes a test of its own.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("desk"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
