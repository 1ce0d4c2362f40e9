"""`crossclear light follow|verify|show|submit`: trust a network without running a node."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import FILE, NEW_FILE, NEW_FOLDER, together
from cli.output import ExitCode, output_option, say, say_line, show, show_json, show_line
from cli.trust_options import TRUSTING_PERIOD_S

if TYPE_CHECKING:
    from consensus.light_client import LightBlock
    from member.light.client import LightClient
    from member.light.trust import Trusted

_store = click.option(
    "--store",
    "store_path",
    type=NEW_FILE,
    default=Path("light.sqlite"),
    show_default=True,
    help="File of what is trusted.",
)

_client_options = together(
    _store,
    click.option("--url", required=True, help="The API of the node that serves."),
    click.option("--witness", "witnesses", multiple=True, help="Another node that must confirm; repeat."),
    click.option("--trust", "trusted", metavar="HEIGHT:HASH", help="A header that you trust."),
    click.option("--genesis", type=FILE, help="Trust its validator set, from height 1 on."),
    click.option(
        "--checkpoint",
        type=click.IntRange(min=1),
        metavar="CHAIN_ID",
        help="Trust the newest checkpoint of this chain's vault, read as --config says.",
    ),
    click.option("--config", "config_path", type=FILE, help="A node.toml with [[chains]], for --checkpoint."),
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
        type=NEW_FOLDER,
        default=Path("light-evidence"),
        show_default=True,
        help="Folder for evidence of an attack.",
    ),
    output_option,
)


@click.group()
def light() -> None:
    """Check headers by certificates alone, from one that you trust, against nodes that may lie."""


@light.command()
@_client_options
@click.option(
    "--interval-ms", type=click.IntRange(min=50), default=1000, show_default=True, help="Time between two questions."
)
@click.option("--once", is_flag=True, help="Verify the newest height and end.")
def follow(interval_ms: int, once: bool, output: str, **given: Any) -> None:
    """Verify each newest height until Ctrl-C. Exits with 6 when two headers of one height are certified.

    Example: crossclear light follow --store light.sqlite --url http://127.0.0.1:26680 --witness http://127.0.0.1:26681
    --genesis genesis.json
    """
    import msgspec

    from member.light.client import follow as run
    from member.printing.network import header_fields, header_line

    ended = threading.Event()

    def verified(block: "LightBlock") -> None:
        if output == "json":
            show_json(msgspec.json.encode(header_fields(block)))
        else:
            show_line(header_line(block))

    with _client(**given) as client:
        try:
            run(client, verified, say_line, lambda: not once and not ended.wait(interval_ms / 1000), _now_ms)
        except KeyboardInterrupt:
            return


@light.command()
@click.argument("height", type=click.IntRange(min=1))
@click.option("--hash", "hash_", metavar="HEX", help="The expected header hash.")
@_client_options
def verify(height: int, hash_: str | None, output: str, **given: Any) -> int:
    """Verify one height, above or below what is trusted. Exits with 6 when its hash is another than --hash.

    Example: crossclear light verify 1000 --store light.sqlite --url http://127.0.0.1:26680 --genesis genesis.json
    """
    from member.printing.network import header_fields, header_line

    with _client(**given) as client:
        block = client.update(height)
    show(header_fields(block), header_line(block), output)
    if hash_ is not None and hash_.lower().removeprefix("0x") != block.header.hash.hex():
        say(f"height {height} has another hash than expected")
        return ExitCode.VERIFICATION
    return ExitCode.OK


@light.command()
@_client_options
def protocol(output: str, **given: Any) -> None:
    """Verify which protocol version the newest height follows, and which upgrade is scheduled.

    A node that shows a height below the newest that the store trusts is refused: it could keep an upgrade back.

    Example: crossclear light protocol --store light.sqlite --url http://127.0.0.1:26680 --genesis genesis.json
    """
    import msgspec

    from clearing.base.errors import RemoteFault
    from clearing.base.protocol import RELEASE_VERSIONS
    from clearing.governance.shown_protocol import check_protocol, read_protocol
    from member.codes import NodeCode
    from member.light.source import http_sources

    with _client(**given) as client, http_sources([given["url"]]) as (source,):
        newest, shown = client.store.newest(), read_protocol(source.protocol())
        if newest is not None and shown.height < newest.header.height:
            raise RemoteFault(NodeCode.NODE_ANSWER, source.name, shown=shown.height, trusted=newest.header.height)
        record = check_protocol(shown, client.update(shown.height).header)
    text = f"height {shown.height}: protocol {record.version} since height {record.since_height}"
    if record.next_height:
        text += f", protocol {record.next_version} from height {record.next_height} on"
    fields = msgspec.structs.asdict(record)
    show({"height": shown.height, **fields}, f"{text}; this program has {RELEASE_VERSIONS}", output)


@light.command("show")
@_store
@output_option
def show_(store_path: Path, output: str) -> None:
    """Print what the store trusts. Uses no network.

    Example: crossclear light show --store light.sqlite
    """
    from member.light.store import LightStore
    from member.printing.network import store_description

    with LightStore(store_path, create=False) as store:
        show(*store_description(store), output)


@light.command()
@click.argument("file", type=FILE)
@click.option("--url", "urls", multiple=True, required=True, help="A node's API; repeat.")
@output_option
def submit(file: Path, urls: tuple[str, ...], output: str) -> int:
    """Submit an evidence file to nodes again. Exits with 4 when none accepts it.

    Example: crossclear light submit attack-7.evidence --url http://127.0.0.1:26680
    """
    from member.light.evidence import read_attack, submit_everywhere
    from member.light.source import http_sources

    with http_sources(urls) as sources:
        taken = submit_everywhere(read_attack(file), sources, say)
    if output == "json":
        show({"accepted": taken}, "", output)
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
) -> "Iterator[LightClient]":
    """A client with its store open, and trust begun where it is stated."""
    from consensus.light_client import CurveLightVerifier, TrustPolicy
    from member.light.client import LightClient, LightOptions
    from member.light.source import http_sources
    from member.light.store import LightStore

    urls = (url, *witnesses)
    if len({address.rstrip("/") for address in urls}) < len(urls):
        raise click.UsageError("a node is no witness for itself: every URL once")
    anchor = _trusted(trusted, genesis, checkpoint, config_path)
    options = LightOptions(TrustPolicy(trusting_period_s * 1000), sequential)
    with LightStore(store_path, create=anchor is not None) as store, http_sources(urls) as sources:
        client = LightClient(store, sources, options, CurveLightVerifier(), evidence, _now_ms, say)
        if anchor is not None:
            client.begin(anchor)
        yield client


def _trusted(
    trusted: str | None, genesis: Path | None, checkpoint: int | None, config_path: Path | None
) -> "Trusted | None":
    from member.light.trust import TrustedHash, parse_trust, trusted_genesis

    if trusted is not None and (genesis is not None or checkpoint is not None):
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
    import trio

    from node.chains.vault_anchor import newest_checkpoint
    from node.config import config_of_chains
    from node.config_sources import load_config
    from node.genesis_file import read_genesis

    chains = config_of_chains(load_config(config_path, os.environ).config)
    return trio.run(newest_checkpoint, read_genesis(genesis), chains, chain_id)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
