"""A remote call that says nothing for minutes, as a long step or a full shuffle buffer does, runs once and to its end.

gRPC servers close a connection whose client pings too often meanwhile; settings that are wrong may pass 70 seconds.
"""

from __future__ import annotations

import pytest

from tests.running import Running


@pytest.mark.last
@pytest.mark.timeout(600)
def test_a_call_that_is_silent_for_minutes_is_made_once_and_to_its_end(silence: Running) -> None:
    """The variable http_proxy names a proxy that is not there: tasks reach each other without."""
    assert silence.end(540) == 0
    assert "silent calls 1" in silence.output
    assert "Too many pings" not in silence.output
