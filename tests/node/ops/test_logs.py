"""Rules of logging."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.config import Logging
from node.ops.logs import configure_logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_off_a_terminal_a_line_is_one_json_object_without_secrets() -> None:
    stream = io.StringIO()
    configure_logs(Logging(), node="n0", stream=stream)
    log = structlog.get_logger()
    log.debug("unseen")
    fault = LocalFault(NodeCode.KEY_PASSWORD, "keystore")
    log.info("seen", hash=b"\x01" * 40, password="pw", secret=b"s", fault=fault)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["node"]) == ("seen", "info", "n0")
    assert line["hash"] == "01" * 32 + "…"
    assert (line["password"], line["secret"]) == ("(hidden)", "(hidden)")
    assert line["fault"].startswith("R0812")
    assert line["timestamp"].endswith("Z")


def test_an_exception_stays_within_its_line() -> None:
    stream = io.StringIO()
    configure_logs(Logging(format="json"), stream=stream)
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: why" in json.loads(line)["exception"]
