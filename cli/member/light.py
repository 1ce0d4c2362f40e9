"""`crossclear light follow|verify|show|submit`: trust a network without running a node."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.output import output_option, say, show
from cli.trust_options import TRUSTING_PERIOD_S

F = TypeVar("F", bound=Callable[..., Any])

_store = click.option(
    "--store",
    "store_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("light.sqlite"),
    show_default=True,
    help="File of what is trusted.",
)


def _options(command: F) -> F:
    """What `follow` and `verify` share."""
    for option in reversed(
        (
            _store,
            click.option("--url", required=True, help="The API of the node that serves."),
            click.option("--witness", "witnesses", multiple=True, help="Another node that must confirm; repeat."),
            click.option("--trust", "trusted", metavar="HEIGHT:HASH", help="A header that you trust."),
            click.option(
                "--genesis",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help="Trust its validator set, from height 1 on.",
            ),
            click.option(
                "--checkpoint",
                type=click.IntRange(min=1),
                metavar="CHAIN_ID",
                help="Trust the newest checkpoint of this chain's vault, read as --config says.",
            ),
            click.option(
                "--config",
                "config_path",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help="A node.toml with [[chains]], for --checkpoint.",
            ),
            click.option(
                "--trusting-period-s",
                type=click.IntRange(min=1),
                default=TRUSTING_PERIOD_S,
                show_default=True,
                help="How old a trusted header may be.",
            ),
            click.option("--sequential", is_flag=True, help="Check every height instead of skipping."),
            click.option(
                "--evidence",
                type=click.Path(file_okay=False, path_type=Path),
                default=Path("light-evidence"),
                show_default=True,
                help="Folder for evidence of an attack.",
            ),
            output_option,
        )
    ):
        command = option(command)
    return command


@click.group()
def light() -> None:
    """Check headers by certificates alone, from one that you trust, against nodes that may lie."""


@light.command()
@_options
@click.option(
    "--interval-ms", type=click.IntRange(min=50), default=1000, show_default=True, help="Time between two questions."
)
@click.option("--once", is_flag=True, help="Verify the newest height and end.")
def follow(interval_ms: int, once: bool, output: str, **given: Any) -> None:
    """Verify each newest height until Ctrl-C. Exits with 6 when two headers of one height are certified."""
    import msgspec

    from member.light.client import follow as run

    ended = threading.Event()

    def verified(block: Any) -> None:
        told = _block_fields(block)
        click.echo(msgspec.json.encode(told).decode() if output == "json" else _line(told))

    with _client(**given) as client:
        try:
            run(client, verified, say, lambda: not once and not ended.wait(interval_ms / 1000), _now_ms)
        except KeyboardInterrupt:
            return


@light.command()
@click.argument("height", type=click.IntRange(min=1))
@click.option("--hash", "hash_", metavar="HEX", help="The header hash that is expected.")
@_options
def verify(height: int, hash_: str | None, output: str, **given: Any) -> int:
    """Verify one height, above or below what is trusted. Exits with 6 when its hash is another than --hash."""
    from cli.output import ExitCode

    with _client(**given) as client:
        told = _block_fields(client.update(height))
    show(told, _line(told), output)
    if hash_ is not None and hash_.lower().removeprefix("0x") != told["hash"]:
        say(f"height {height} has another hash than expected")
        return ExitCode.VERIFICATION
    return ExitCode.OK


@light.command("show")
@_store
@output_option
def show_(store_path: Path, output: str) -> None:
    """Print what the store trusts. Uses no network."""
    from member.light.store import LightStore

    with LightStore(store_path, create=False) as store:
        network, newest, lowest = store.network, store.newest(), store.lowest()
        data = {
            "network": network.hex() if network else "",
            "heights": len(store.heights()),
            "lowest": _block_fields(lowest) if lowest else None,
            "newest": _block_fields(newest) if newest else None,
        }
    lines = [f"network {data['network']}", f"heights {data['heights']}"]
    lines += [
        f"{name:<7} {_line(_block_fields(block))}" for name, block in (("lowest", lowest), ("newest", newest)) if block
    ]
    show(data, "\n".join(lines), output)


@light.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", "urls", multiple=True, required=True, help="A node's API; repeat.")
def submit(file: Path, urls: tuple[str, ...]) -> int:
    """Submit an evidence file to nodes again. Exits with 4 when none accepts it."""
    from cli.output import ExitCode
    from member.light.evidence import read_attack, submit_everywhere
    from member.light.source import HttpSource

    attack = read_attack(file)
    sources = [HttpSource(url) for url in urls]
    taken = submit_everywhere(attack, sources, say)
    for source in sources:
        source.close()
    return ExitCode.OK if taken else ExitCode.UNREACHABLE


@contextmanager
def _client(
    store_path: Path,
    url: str,
    witnesses: tuple[str, ...],
    trusted: str | None,
    genesis: Path | None,
    checkpoint: int | None,
    config_path: Path | None,
    trusting_period_s: int,
    sequential: bool,
    evidence: Path,
) -> Iterator[Any]:
    """A client with its store open, and trust begun if it was named."""
    from consensus.light_client import CurveLightVerifier, TrustPolicy
    from member.light.client import LightClient, LightOptions
    from member.light.source import HttpSource
    from member.light.store import LightStore

    urls = (url, *witnesses)
    if len({each.rstrip("/") for each in urls}) < len(urls):
        raise click.UsageError("a node is no witness for itself: every URL once")
    anchor = _trusted(trusted, genesis, checkpoint, config_path)
    sources = [HttpSource(each) for each in urls]
    options = LightOptions(TrustPolicy(trusting_period_s * 1000), sequential)
    with LightStore(store_path, create=anchor is not None) as store:
        client = LightClient(store, sources, options, CurveLightVerifier(), evidence, _now_ms, say)
        try:
            if anchor is not None:
                client.begin(anchor)
            yield client
        finally:
            for source in sources:
                source.close()


def _trusted(trusted: str | None, genesis: Path | None, checkpoint: int | None, config_path: Path | None) -> Any:
    from member.light.trust import TrustedHash, parse_trust, trusted_genesis

    if sum(each is not None for each in (trusted, genesis, checkpoint)) > 1 and checkpoint is None:
        raise click.UsageError("trust begins at one place: --trust, --genesis or --checkpoint")
    if trusted is not None and checkpoint is not None:
        raise click.UsageError("trust begins at one place: --trust, --genesis or --checkpoint")
    if checkpoint is not None:
        if genesis is None or config_path is None:
            raise click.UsageError(
                "--checkpoint needs --genesis, which names the vault, and --config, which reaches it"
            )
        return TrustedHash(*_checkpoint(genesis, config_path, checkpoint))
    if genesis is not None:
        return trusted_genesis(genesis.read_bytes())
    return None if trusted is None else parse_trust(trusted)


def _checkpoint(genesis: Path, config_path: Path, chain_id: int) -> tuple[int, bytes]:
    import os

    import trio

    from clearing.genesis.checks import check_genesis
    from clearing.genesis.json import genesis_from_json
    from node.chains.vault_anchor import newest_checkpoint
    from node.config import config_of_chains
    from node.config_sources import load_config

    terms = genesis_from_json(genesis.read_bytes())
    check_genesis(terms)
    chains = config_of_chains(load_config(config_path, os.environ).config)
    return trio.run(newest_checkpoint, terms, chains, chain_id)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _block_fields(block: Any) -> dict[str, Any]:
    header = block.header
    return {
        "height": header.height,
        "hash": header.hash.hex(),
        "time_ms": header.time_ms,
        "state_root": header.state_root.hex(),
        "validators_hash": header.validators_hash.hex(),
    }


def _line(told: dict[str, Any]) -> str:
    return f"height {told['height']} hash {told['hash']} state {told['state_root']}"
