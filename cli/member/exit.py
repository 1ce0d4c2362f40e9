"""`crossclear exit show|verify|status|claim`: what an own account can take out when everything has ended."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.chain_options import payer_option, rpc_option
from cli.options import FILE, NEW_FILE, NUMBER, AnswerSource, read_hex_secret, source_options
from cli.output import ExitCode, output_option, say, show
from cli.trust_options import Trust, trust_options
from cli.verdict_options import WantedVerdict, time_options

if TYPE_CHECKING:
    from member.verifying.exits import ExitFile


@click.group("exit")
def exit_() -> None:
    """Take money out of a network that is gone: keep, check and claim by an account's payments in the exit tree."""


@exit_.command("show")
@click.argument("account")
@click.option("--epoch", type=click.IntRange(1, 2**63 - 1), help="Default: the newest closed epoch.")
@click.option("--out", type=NEW_FILE, help="Write leaves and header to a new file.")
@source_options
@output_option
def exit_show(account: str, epoch: int | None, out: Path | None, source: AnswerSource, output: str) -> None:
    """Print an own account's payments at an epoch; with --out also write their proofs.

    ACCOUNT is its id, or the name of a member with one own account; with --log, of --genesis.

    Keep the file of each epoch, fetched before the next one closes: with it `exit claim` takes the money out when no
    node answers. Vaults pay by the tree of the epoch before the newest closed one. Salts in the file are secret: plain
    http is used only on this machine, and existing files are never overwritten. With --log the tree is recomputed
    from a node's blocks.

    Example: crossclear exit show alice --out exit.json --key trade --home HOME
    """
    from member.client.downloads import fetch_exit, refuse_existing, refuse_in_clear
    from member.printing.exits import exit_lines
    from member.verifying.exits import write_exit_file

    if out is not None:
        refuse_existing(out)
    if source.log is None:
        refuse_in_clear(source.key.url)
    number = source.account(account)
    if source.log is None:
        view, block = source.ask(lambda client: fetch_exit(client, number, epoch))
    else:
        from node.api.proofs import exit_view
        from node.offline.log_readers import exit_of_log

        own, block = exit_of_log(source.open_log(), number, epoch)
        view = exit_view(own, own.epoch)
    if out is not None:
        write_exit_file(out, view, block)
        say(f"{out}: compare the amounts with your own records, then `crossclear exit verify`")
    show(view, exit_lines(view, source.listing()), output)


@exit_.command("verify")
@click.argument("file", type=FILE)
@trust_options(amendments=False)
@time_options(age=False, strictness=True)
@output_option
def exit_verify(file: Path, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """Check offline that every payment in FILE is under the exit root in the state of a final header.

    A trusted validator set that was last known to be in force more than 14 days ago is refused: say when you last knew
    it to be with --set-known-at, or follow the sets with --light-store.

    Exits with 0 when every check passes, and with 6 when one fails, or when one stays open and --strict is on: without
    --genesis or hashes the file's own validators are taken, and anybody can make such a file. Needs neither node nor
    keys.

    Example: crossclear exit verify exit.json --genesis genesis.json
    """
    from member.verifying.exits import FILE_BYTES_MAX, block_of, read_exit_file, verify_exit
    from member.verifying.package import read_limited, report_text

    data = read_limited(file, FILE_BYTES_MAX)
    exit_file = read_exit_file(data)
    block = block_of(exit_file)
    anchor, light_check = trust.anchor_of(block.header)
    report = verify_exit(exit_file, len(data), wanted.fresh(anchor), block, str(file))
    if light_check is not None:
        report = report.with_check(light_check)
    report = wanted.judged(report, output)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


payments_rpc_option = rpc_option("one of the payments' chains")


@exit_.command("status")
@click.argument("file", type=FILE)
@payments_rpc_option
@output_option
def exit_status(file: Path, rpc: str, output: str) -> None:
    """Print what the vaults of one chain say of the payments in FILE, and how far their escape is. Needs no node.

    Example: crossclear exit status exit.json --rpc URL
    """
    import trio

    from member.client.vault_exits import exit_at_vaults
    from member.printing.exits import exit_text

    found = trio.run(exit_at_vaults, rpc, _read(file).exit)
    show(list(found), exit_text(found), output)


@exit_.command("claim")
@click.argument("file", type=FILE)
@payments_rpc_option
@payer_option()
@click.option("--from-block", type=NUMBER, default=0, help="Look for the vault's records from this block on.")
@click.option("--settle/--no-settle", default=True, help="Show the vault its own records since the snapshot, for all.")
@output_option
def exit_claim(file: Path, rpc: str, payer_file: Path, from_block: int, settle: bool, output: str) -> None:
    """Take every step that is possible now to get the payments in FILE from the vaults of one chain.

    The money always goes to the addresses in FILE. Check it with `exit verify` first. Repeat the command when the next
    stage begins, until everything is paid. Needs no node.

    Example: crossclear exit claim exit.json --rpc URL --payer-file payer.key
    """
    import trio

    from member.client.vault_exits import claim_at_vaults
    from member.printing.exits import exit_text

    secret, exit_ = read_hex_secret(payer_file), _read(file).exit
    found = trio.run(partial(claim_at_vaults, settle=settle), rpc, exit_, secret, from_block)
    show(list(found), exit_text(found), output)


def _read(file: Path) -> "ExitFile":
    from member.verifying.exits import FILE_BYTES_MAX, read_exit_file
    from member.verifying.package import read_limited

    return read_exit_file(read_limited(file, FILE_BYTES_MAX))
