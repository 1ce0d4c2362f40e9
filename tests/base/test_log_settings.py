"""No test depends on what another has made of the log."""

import io

import pytest
import structlog
from structlog.testing import capture_logs

from node.config import Logging
from node.ops.logs import configure_logs
from tests.sim.consensus.outcome import quiet


def is_heard() -> bool:
    with capture_logs() as lines:
        structlog.get_logger().error("seen")
    return lines == [{"event": "seen", "log_level": "error"}]


@pytest.mark.parametrize("time", [1, 2])
def test_a_test_that_makes_the_log_silent_changes_no_other(time: int) -> None:
    assert is_heard()
    quiet()
    assert not is_heard()


@pytest.mark.parametrize("time", [1, 2])
def test_a_test_that_logs_elsewhere_changes_no_other(time: int) -> None:
    stream = io.StringIO()
    assert structlog.contextvars.get_contextvars() == {}
    configure_logs(Logging(level="error"), node="n0", stream=stream)
    structlog.get_logger().error("seen")
    assert '"node": "n0"' in stream.getvalue()
