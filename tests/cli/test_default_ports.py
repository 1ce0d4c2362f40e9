"""Settings, generated networks and commands agree on where a node's API is."""

from functools import partial
from pathlib import Path

import click
import pytest

from cli.main import cli
from devnet.testnet import create_testnet
from member.default_ports import API_URL
from node.config import NodeConfig, NodeSection
from tests.kit.node.house_alone import house_alone


def defaults_of(command: click.Command) -> set[object]:
    """The defaults of `--url` in a command and all below it."""
    found = {option.default for option in command.params if option.name == "url"}
    found = {default() if callable(default) else default for default in found}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found |= defaults_of(command.get_command(context, name) or command)
    return {default for default in found if isinstance(default, str)}


def test_the_default_url_is_where_new_homes_and_the_first_of_a_network_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    single = NodeConfig(node=NodeSection(name="n")).api
    first = (
        create_testnet(tmp_path / "net", partial(house_alone, time_ms=1_000), validators=2, devnet=True, seed=1)
        .nodes[0]
        .config.api
    )
    assert {f"http://{each.host}:{each.port}" for each in (single, first)} == {API_URL}
    assert defaults_of(cli) == {API_URL}
