"""What holds for every test.

No invented example is judged by the time that it took on a machine which others use too.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("consilium", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("consilium")
