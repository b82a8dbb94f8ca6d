from __future__ import annotations

import pytest

from . import helm


@pytest.fixture(params=helm.ci_values())
def rendered(request: pytest.FixtureRequest) -> helm.Rendered:
    """What each values file of chart/ci makes."""
    return helm.rendered_ci(request.param)
