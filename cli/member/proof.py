"""`crossclear proof make|verify|show|history|fetch|inputs`: proofs as files, and what a member checks its own with."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from cli.options import account_options, ask
from cli.output import ExitCode, output_option, say, show
from cli.trust_options import (
    amended,
    amendments_option,
    anchor_of,
    anchor_options,
    light_options,
    own_options,
    terms_of,
)


@click.command()
@click.option("--account", type=click.IntRange(0, 2**63 - 1), required=True, help="Own account.")
@click.option("--epoch", default="latest", show_default=True, help="Of the package to be checked.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="A folder that only you can read."
)
@account_options
def inputs(account: int, epoch: str, out: Path, **key: Any) -> int:
    """Write an own account's seed and holdings at an epoch, as `crossclear verify` takes them.

    Compare the holdings with your own records before you verify: only that comparison makes the check worth anything.
    Seed and holdings are secret: plain http is used only on this machine, and existing files are never overwritten.
    """
    import msgspec

    from clearing.base.errors import LocalFault, RemoteFault
    from member.codes import NodeCode
    from member.keys.secret_files import make_secret_folder, write_secret
    from proofs.verify.verdict import printable

    if epoch != "latest" and not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 18):
        raise click.BadParameter(f"expected a number or `latest`, got {epoch!r}", param_hint="--epoch")
    wanted = None if epoch == "latest" else int(epoch)
    refuse_in_clear(key["url"])
    seed, holdings = out / "seed", out / "holdings.json"
    for path in (seed, holdings):
        if path.exists():
            raise LocalFault(NodeCode.OUTPUT_EXISTS, str(path))
    told = ask(lambda client: client.inclusion(account, wanted), **key)
    if told.account != account or wanted not in (None, told.epoch):
        raise RemoteFault(NodeCode.NODE_ANSWER, "inclusion", account=told.account, epoch=told.epoch)
    make_secret_folder(out)
    write_secret(seed, told.seed.encode() + b"\n")
    write_secret(holdings, msgspec.json.format(msgspec.json.encode(told.holdings, order="sorted"), indent=1) + b"\n")
    say(f"{seed} and {holdings}: account {account} at epoch {told.epoch}, height {told.height}")
    for name in sorted(told.holdings):
        click.echo(printable(f"{name} {told.holdings[name]}"))  # the node's words, which could steer a terminal
    say("Compare these holdings with your own records (trades, deposits, statements): that comparison is what the")
    say("check is worth. A node that tells you what it committed to, right or wrong, passes every check.")
    if told.package:
        say(f"Package: {key['url'].rstrip('/')}/v1/proofs/{told.epoch}")
    else:
        say(f"This node has no package of epoch {told.epoch}: ask others with `crossclear proof fetch`.")
    return ExitCode.OK


def refuse_in_clear(url: str) -> None:
    """Raise LocalFault API_IN_CLEAR where an answer would travel in clear beyond this machine."""
    from clearing.base.errors import LocalFault
    from member.codes import NodeCode
    from node.api.proofs import is_loopback

    address = urlsplit(url)
    if address.scheme != "https" and not is_loopback(address.hostname or ""):
        raise LocalFault(NodeCode.API_IN_CLEAR, url)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_ALLOWED = {"gaps": "EPOCH_MISSING", "unlinked": "SET_NOT_LINKED"}


@click.group()
def proof() -> None:
    """Make, check and inspect proofs: of one account, of an epoch, of many epochs.

    Only `fetch` and `inputs` use a network.
    """


@proof.command()
@click.argument("package", type=_FILE)
@own_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The proof, 500 bytes.")
@anchor_options
@light_options
@amendments_option
def make(
    package: Path,
    account: int | None,
    seed_file: Path | None,
    holdings: Path | None,
    out: Path,
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    light_store: Path | None,
    light_urls: tuple[str, ...],
    amendments: Path | None,
) -> int:
    """Prove that your own account meets its requirement in PACKAGE, and nothing else about it.

    Anybody with the package can check the proof; it reveals neither your holdings nor who you are. PACKAGE must be
    certified by validators that you trust: rows made up by somebody else could ask anything about your holdings.
    """
    from member.verifying.package import OwnAccountFiles
    from member.verifying.proof_files import make_file

    if account is None or seed_file is None or holdings is None:
        raise click.UsageError("--account, --seed-file and --holdings are all needed")
    anchor, light = anchor_of(package, genesis, validators_hash, network, light_store, light_urls)
    if anchor.network is None or anchor.validators_hash is None:
        raise click.UsageError("say whom you trust: --genesis, or --network with --validators-hash, or --light-store")
    if light is not None and not light.ok:
        say(f"light client: {light.detail}")
        return ExitCode.VERIFICATION
    anchor = amended(anchor, package, amendments, light_store, light_urls)
    size = make_file(package, anchor, OwnAccountFiles(account, seed_file, holdings), out)
    say(f"{out}: {size} bytes")
    return ExitCode.OK


@proof.command()
@click.argument("files", type=_FILE, nargs=-1, required=True)
@click.option("--package", type=_FILE, required=True, help="The epoch package that the accounts are certified in.")
@anchor_options
@light_options
@amendments_option
@output_option
def verify(
    files: tuple[Path, ...],
    package: Path,
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    light_store: Path | None,
    light_urls: tuple[str, ...],
    amendments: Path | None,
    output: str,
) -> int:
    """Check proofs of single accounts against their epoch's package.

    Exits with 0 when all pass and with 6 when one fails. What the package itself proves is not checked here: see
    `crossclear verify`.
    """
    from member.verifying.package import report_text
    from member.verifying.proof_files import verify_files

    anchor, light = anchor_of(package, genesis, validators_hash, network, light_store, light_urls)
    reports = verify_files(files, package, amended(anchor, package, amendments, light_store, light_urls))
    if light is not None:
        reports = [report.with_check(light) for report in reports]
    texts = [report_text(report) for report in reports]
    headed = [f"{report.file}\n{text}" for report, text in zip(reports, texts, strict=True)]
    show(reports, texts[0] if len(texts) == 1 else "\n\n".join(headed), output)
    return ExitCode.OK if all(report.ok for report in reports) else ExitCode.VERIFICATION


@proof.command(name="show")
@click.argument("file", type=_FILE)
@click.option("--raw", is_flag=True, help="Print the MessagePack of any file as it is.")
def show_file(file: Path, raw: bool) -> None:
    """Print a package or a proof of one account as JSON: fields by name, rows in words, bytes as hex.

    Checks nothing.
    """
    if raw:
        from member.verifying.proof_files import FILE_BYTES_MAX, show_messagepack

        with file.open("rb") as opened:
            click.echo(show_messagepack(opened.read(FILE_BYTES_MAX + 1)))
        return
    from member.verifying.proof_files import view_of_file

    # Escaped: text in a hostile file could steer a terminal.
    click.echo(json.dumps(view_of_file(file), indent=1))


@proof.command()
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@anchor_options
@amendments_option
@click.option(
    "--allow",
    "allowed",
    type=click.Choice(sorted(_ALLOWED)),
    multiple=True,
    help="Report these without failing: missing epochs, validator sets that changed more than once in between.",
)
@click.option("--thorough", is_flag=True, help="Search for reused blinders behind two changed slots, too (slow).")
@output_option
def history(
    paths: tuple[Path, ...],
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    amendments: Path | None,
    allowed: tuple[str, ...],
    thorough: bool,
    output: str,
) -> int:
    """Check all packages of folders or files, and that together they are one history.

    Finds missing epochs, two certified headers or books of one height or epoch, validator sets without a link, values
    that decreased and may only grow, blocks of a chain with two hashes, blinders that were used twice, and packages of
    other networks. Exits with 0 when nothing is found and with 6 otherwise.
    """
    from member.verifying.proof_files import history_of, history_text
    from proofs.errors import ProofCode

    anchor, _ = anchor_of(None, genesis, validators_hash, network)
    followed = terms_of(anchor, amendments) if amendments is not None else None
    codes = [ProofCode[_ALLOWED[each]] for each in allowed]
    report = history_of(paths, anchor, codes, thorough=thorough, terms_at=followed)
    show(report, history_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


@proof.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--url",
    "urls",
    multiple=True,
    required=True,
    help="A node's API; repeat: each node keeps the packages that it proved.",
)
def fetch(folder: Path, urls: tuple[str, ...]) -> int:
    """Fetch the epoch packages of nodes into FOLDER, for `history`. Uses a network.

    No node is believed: files are named by their hashes, and two of one epoch are both kept. Exits with 4 when a node
    did not answer to the end.
    """
    import trio

    from member.client.fetch_packages import fetch_packages
    from proofs.verify.verdict import printable

    folder.mkdir(parents=True, exist_ok=True)
    results = trio.run(fetch_packages, urls, folder, say)
    for result in results:
        failed = f", then {printable(result.failure)}" if result.failure else ""
        click.echo(f"{result.url}: {result.new} new packages, {result.known} known{failed}")
    return ExitCode.UNREACHABLE if any(result.failure for result in results) else ExitCode.OK


proof.add_command(inputs)
