"""Rules of the process: a line of the log is one object without secrets, and what stands is not collected again."""

import gc
import io
import json
import weakref

import structlog

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from node.app.service_settings import tune_gc
from node.config import Logging
from node.ops.logs import configure_logs


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


class Knot:
    def __init__(self) -> None:
        self.self = self


def test_what_stands_at_the_start_is_not_walked_again_and_later_cycles_still_go() -> None:
    before = gc.get_threshold()
    stands = [[number] for number in range(10_000)]
    try:
        tune_gc()
        assert gc.get_freeze_count() >= len(stands)
        assert all(each is not stands for each in gc.get_objects())
        gone = weakref.ref(Knot())
        gc.collect()
        assert gone() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
