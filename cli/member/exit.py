"""`crossclear exit show` and `crossclear exit verify`: what an own account could take out if everything ended."""

from pathlib import Path

import click

from cli.options import FILE, NEW_FILE, NUMBER, AnswerSource, source_options
from cli.output import ExitCode, output_option, say, show
from cli.trust_options import Trust, trust_options


@click.group("exit")
def exit_() -> None:
    """Show and check what an own account could withdraw if everything ended: its leaves of the exit tree."""


@exit_.command("show")
@click.argument("account", type=NUMBER)
@click.option("--epoch", type=click.IntRange(1, 2**63 - 1), help="Default: the newest closed epoch.")
@click.option("--out", type=NEW_FILE, help="Write leaves and header to a new file.")
@source_options
@output_option
def exit_show(account: int, epoch: int | None, out: Path | None, source: AnswerSource, output: str) -> None:
    """Print an own account's payments at an epoch; with --out also write their proofs.

    Keep the file of each epoch: members show it to the vaults when no node answers any more. Its salts are secret:
    plain http is used only on this machine, and existing files are never overwritten. With --log the tree is recomputed
    from a node's blocks.
    """
    from member.client.downloads import fetch_exit, refuse_existing, refuse_in_clear
    from member.printing.accounts import exit_lines
    from member.verifying.exits import write_exit_file

    if out is not None:
        refuse_existing(out)
    if source.log is None:
        refuse_in_clear(source.key.url)
        view, block = source.ask(lambda client: fetch_exit(client, account, epoch))
    else:
        from node.api.proofs import exit_view
        from node.offline.log_readers import exit_of_log

        own, block = exit_of_log(source.open_log(), account, epoch)
        view = exit_view(own)
    if out is not None:
        write_exit_file(out, view, block)
        say(f"{out}: compare the amounts with your own records, then `crossclear exit verify`")
    show(view, exit_lines(view), output)


@exit_.command("verify")
@click.argument("file", type=FILE)
@click.option("--package", type=FILE, help="Take the header out of this epoch package instead of the file.")
@trust_options(amendments=False)
@output_option
def exit_verify(file: Path, package: Path | None, trust: Trust, output: str) -> int:
    """Check offline that every payment in FILE is under the exit root of a final header.

    Exits with 0 when every check passes and with 6 when one fails. Needs neither node nor keys.
    """
    from member.verifying.exits import FILE_BYTES_MAX, block_of, block_of_package, read_exit_file, verify_exit
    from member.verifying.package import read_limited, report_text

    data = read_limited(file, FILE_BYTES_MAX)
    exit_file = read_exit_file(data)
    block = block_of(exit_file) if package is None else block_of_package(package)
    anchor, light_check = trust.anchor_of(block.header)
    report = verify_exit(exit_file, len(data), anchor, block, str(file))
    if light_check is not None:
        report = report.with_check(light_check)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION
