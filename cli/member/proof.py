"""`crossclear proof make|verify|show|history|fetch|inputs`: proofs as files, and the inputs of a member's own check."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clearing.base.plain_text import one_line
from cli.member.own_leaf import accuse, epoch_seed, rotate_seed
from cli.options import FILE, NEW_FILE, NEW_FOLDER, NUMBER, MemberKey, account_options, epoch_number
from cli.output import ExitCode, output_option, say, say_line, show, show_json, show_line, tell
from cli.trust_options import Trust, needed, own_options, owner_address, trust_options
from cli.verdict_options import WantedVerdict, time_options, verdict_options

if TYPE_CHECKING:
    from member.verifying.package import OwnAccountFiles

_ALLOWED = {"expired": "SET_EXPIRED", "gaps": "EPOCH_MISSING", "unlinked": "SET_NOT_LINKED"}


@click.group()
def proof() -> None:
    """Make, check and inspect proofs: of one account, of an epoch, of many epochs.

    Only `fetch` and `inputs` use a network.
    """


@proof.command()
@click.argument("package", type=FILE)
@own_options
@click.option("--out", type=NEW_FILE, required=True, help="The proof, 500 bytes.")
@trust_options()
@time_options(age=True)
@output_option
def make(
    package: Path, own: "OwnAccountFiles | None", out: Path, trust: Trust, wanted: WantedVerdict, output: str
) -> int:
    """Prove that your own account meets its requirement in PACKAGE, and nothing else about it.

    Anybody with the package can check the proof; it reveals neither your holdings nor who you are. PACKAGE must be
    certified by validators that you trust: rows made up by somebody else could ask anything about your holdings. So it
    must be recent, and its set in force lately, as `crossclear verify` demands.

    Example: crossclear proof make epoch.ccp --account 1 --seed-file seed --holdings holdings.json --out own.ccs
    --genesis genesis.json
    """
    from member.verifying.package import package_file
    from member.verifying.proof_files import make_file

    account, certified = needed(own), package_file(package)
    anchor, light_check = trust.anchor_of(certified)
    if anchor.network is None or anchor.validators_hash is None:
        raise click.UsageError("say whom you trust: --genesis, or --network with --validators-hash, or --light-store")
    if light_check is not None and not light_check.ok:
        say_line(f"light client: {light_check.detail}")
        return ExitCode.VERIFICATION
    size = make_file(certified, wanted.fresh(trust.amended(anchor, certified)), account, out)
    tell({"file": str(out), "bytes": size}, f"{out}: {size} bytes", output)
    return ExitCode.OK


@proof.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--package", type=FILE, required=True, help="The epoch package that certifies the accounts.")
@trust_options()
@verdict_options
@output_option
def verify(files: tuple[Path, ...], package: Path, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """Check proofs of single accounts against their epoch's package.

    Exits with 0 when all pass and with 6 when one fails, or when one leaves a check open and --strict is on. What the
    package itself proves is not checked here: see
    `crossclear verify`.

    Example: crossclear proof verify own.ccs --package epoch.ccp --genesis genesis.json
    """
    from member.verifying.package import package_file, reports_text
    from member.verifying.proof_files import verify_files

    certified = package_file(package)
    anchor, light_check = trust.anchor_of(certified)
    reports = verify_files(files, certified, wanted.fresh(trust.amended(anchor, certified)))
    if light_check is not None:
        reports = [report.with_check(light_check) for report in reports]
    reports = [wanted.judged(report, output) for report in reports]
    show(reports, reports_text(reports), output)
    return ExitCode.OK if all(report.ok for report in reports) else ExitCode.VERIFICATION


@proof.command(name="show")
@click.argument("file", type=FILE)
@click.option("--raw", is_flag=True, help="Print the MessagePack of any file as it is.")
def show_file(file: Path, raw: bool) -> None:
    """Print a package or a proof of one account as JSON: fields by name, rows as text, bytes as hex.

    Checks nothing.

    Example: crossclear proof show epoch.ccp
    """
    from member.verifying.proof_files import FILE_BYTES_MAX, show_messagepack, view_of_file

    if raw:
        with file.open("rb") as opened:
            show_json(show_messagepack(opened.read(FILE_BYTES_MAX + 1)))
        return
    show_json(json.dumps(view_of_file(file), indent=1, ensure_ascii=False))


@proof.command()
@click.argument("paths", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@trust_options(light=False)
@click.option(
    "--allow",
    "allowed",
    type=click.Choice(sorted(_ALLOWED)),
    multiple=True,
    help="Report these without failing: a trusted set that may have retired, missing epochs, validator sets that "
    "changed more than once in between.",
)
@time_options(age=False)
@click.option(
    "--strict/--no-strict", default=None, help="Fail (exit 6) where something stays open. Default: with --output json."
)
@click.option("--allow-open", multiple=True, metavar="CHECK", help="With --strict: this may stay open.")
@click.option("--thorough", is_flag=True, help="Also search for reused blinders behind two changed slots (slow).")
@output_option
def history(
    paths: tuple[Path, ...],
    trust: Trust,
    allowed: tuple[str, ...],
    wanted: WantedVerdict,
    strict: bool | None,
    allow_open: tuple[str, ...],
    thorough: bool,
    output: str,
) -> int:
    """Check all packages of folders or files, and that together they are one history.

    Finds missing epochs, two certified headers or books of one height or epoch, validator sets without a link, values
    that decreased and may only grow, blocks of a chain with two hashes, blinders that were used twice, claims that
    moved by more than certified flows explain, accounts and tokens that were left out in between, and packages of other
    networks. Says how the claims on each token moved. Exits with 0 when nothing is found and with 6 otherwise, or when
    something stays open and --strict is on. Ages are not judged: a history is old by nature. But the set that you trust
    must have been in force lately (`--set-known-at`): one that has retired can sign another history.

    Example: crossclear proof history packages --genesis genesis.json
    """
    from member.verifying.proof_files import history_of, history_text
    from proofs.errors import ProofCode

    anchor, _ = trust.anchor_of(None)
    codes = [ProofCode[_ALLOWED[name]] for name in allowed]
    report = history_of(paths, wanted.fresh(anchor), codes, thorough=thorough, terms_at=trust.terms_at(anchor))
    only_whole = output == "json" if strict is None else strict
    report = report.judged(strict=only_whole, allowed=allow_open, anchored=trust.is_complete)
    show(report, history_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


@proof.command()
@click.argument("folder", type=NEW_FOLDER)
@click.option(
    "--url",
    "urls",
    multiple=True,
    required=True,
    help="A node's API; repeat: each node keeps the packages that it proved.",
)
@output_option
def fetch(folder: Path, urls: tuple[str, ...], output: str) -> int:
    """Fetch the epoch packages of nodes into FOLDER, for `history`. Uses a network.

    No node is believed: files are named by their hashes, and two of one epoch are both kept. Exits with 4 when a node
    did not answer to the end.

    Example: crossclear proof fetch packages --url http://127.0.0.1:26680 --url http://127.0.0.1:26681
    """
    import trio

    from member.client.downloads import fetch_packages

    folder.mkdir(parents=True, exist_ok=True)
    results = trio.run(fetch_packages, urls, folder, say_line)
    lines = [
        f"{result.url}: {result.new} new packages, {result.known} known"
        + (f", then {one_line(result.failure)}" if result.failure else "")
        for result in results
    ]
    show(results, "\n".join(lines), output)
    return ExitCode.UNREACHABLE if any(result.failure for result in results) else ExitCode.OK


@proof.command()
@click.option("--account", type=NUMBER, required=True, help="Own account.")
@click.option("--epoch", default="latest", show_default=True, help="Of the package to be checked.")
@click.option("--out", type=NEW_FOLDER, required=True, help="A folder that only you can read.")
@click.option(
    "--owner", metavar="ADDRESS", help="Of a client account with a key of its own: that key's; default your key's."
)
@account_options
@output_option
def inputs(account: int, epoch: str, out: Path, owner: str | None, key: MemberKey, output: str) -> int:
    """Write an own account's seed and holdings at an epoch, as `crossclear verify` takes them.

    Compare the holdings with your own records before you verify: only that comparison makes the check worth anything.
    Seed and holdings are secret: plain http is used only on this machine, and existing files are never overwritten.
    A leaf of another owner than you, or than the client account's own key, is refused. A signature by a key that is no
    validator's is no evidence, and the command says so.

    Example: crossclear proof inputs --account 1 --out inputs --key trade --home HOME
    """
    from member.client.downloads import (
        ANSWER_NAME,
        fetch_signed_inclusion,
        inclusion_paths,
        refuse_existing,
        refuse_in_clear,
        write_inclusion,
    )

    wanted = epoch_number(epoch)
    refuse_in_clear(key.url)
    refuse_existing(*inclusion_paths(out), out / "owner", out / ANSWER_NAME)
    bound = key.address if owner is None else owner_address(owner)
    view, by_validator = key.ask(lambda client: fetch_signed_inclusion(client, account, wanted, bound))
    seed, holdings = write_inclusion(view, out, bound)
    if output == "json":
        files = {"seed": str(seed), "holdings_file": str(holdings), "owner_file": str(out / "owner")}
        files |= {"answer_file": str(out / ANSWER_NAME)} if view.answer else {}
        signed = {"signed_by_validator": by_validator}
        show({**files, **signed, "epoch": view.epoch, "height": view.height, "holdings": view.holdings}, "", output)
        return ExitCode.OK
    say(f"{seed} and {holdings}: account {account} at epoch {view.epoch}, height {view.height}")
    for name in sorted(view.holdings):
        show_line(f"{name} {view.holdings[name]}")
    say("Compare these holdings with your own records (trades, deposits, statements): that comparison is what the")
    say("check is worth. A node that states what it committed to, right or wrong, passes every check.")
    if not view.answer:
        say("This node signed nothing: if the certified list lacks this leaf, you have no evidence of what it said.")
    elif not by_validator:
        say("The signature is no validator's by the node's own list, so `crossclear proof accuse` counts it as no")
        say("evidence: ask a validator's node.")
    if view.package:
        say(f"Package: {key.url.rstrip('/')}/v1/proofs/{view.epoch}")
    else:
        say(f"This node has no package of epoch {view.epoch}: ask others with `crossclear proof fetch`.")
    return ExitCode.OK


for _command in (accuse, rotate_seed, epoch_seed):
    proof.add_command(_command)
