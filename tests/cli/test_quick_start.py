"""A command that asks a node starts quickly: it loads what talks to a node, and no engine."""

import pytest

from tests.kit.member.packages import heavy_imports
from tests.kit.ports import free_port


@pytest.mark.parametrize("command", ["status", "check"])
def test_a_command_that_asks_a_node_loads_no_engine(command: str) -> None:
    code, loaded = heavy_imports(command, "--url", f"http://127.0.0.1:{free_port()}")
    assert code != 0
    assert loaded == ["trio", "httpx"]
