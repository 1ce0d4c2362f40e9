"""`crossclear onchain make|join|check|prove|verify|calldata|send`: one account's solvency, for contracts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.chain_options import rpc_option
from cli.options import FILE, HOME, NEW_FILE, NUMBER, hex_option
from cli.output import ExitCode, output_option, show, tell
from cli.trust_options import Trust, needed, own_options, trust_options
from cli.verdict_options import WantedVerdict, time_options

if TYPE_CHECKING:
    from member.verifying.onchain import PublicPart
    from member.verifying.package import FileBytes, OwnAccountFiles


@click.group()
def onchain() -> None:
    """Show a contract on a chain that one account is solvent, without its holdings.

    Validators derive an epoch's keys and sign them (`make`, `join`); a member proves its account under keys that a
    quorum signed (`prove`); `calldata` is what a transaction to the contract SolvencyVerifier carries.
    """


@onchain.command()
@click.argument("package", type=FILE)
@click.option("--home", type=HOME, required=True)
@click.option("--sign/--no-sign", default=True, show_default=True, help="Sign the keys as the home's validator.")
@click.option("--out", type=NEW_FILE, required=True, help="The epoch's keys, leaves and the own signature.")
@trust_options(light=False)
@time_options(age=False)
@output_option
def make(package: Path, home: Path, sign: bool, out: Path, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """Derive the keys of PACKAGE's epoch from a stopped validator's home, and sign them.

    Example: crossclear onchain make epoch.ccp --home HOME --sign --out part.cco --genesis genesis.json
    """
    from member.durable_files import write_new
    from node.offline.onchain_keys import derive_from_state, onchain_state_of_home
    from proofs.onchain.file import write_file

    certified = _package(package, trust, wanted, strict=True).package
    state, secrets = onchain_state_of_home(home, certified.header, sign=sign)
    made = derive_from_state(certified, state, secrets)
    write_new(out, write_file(made))
    summary = {
        "file": str(out),
        "epoch": made.keys.epoch,
        "accounts": made.keys.accounts,
        "signatures": len(made.shares),
    }
    text = f"{out}: epoch {made.keys.epoch}, {made.keys.accounts} accounts, {len(made.shares)} signature(s)"
    tell(summary, text, output)
    return ExitCode.OK


@onchain.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--package", type=FILE, required=True, help="The epoch's package.")
@click.option("--out", type=NEW_FILE, required=True, help="One file with all signatures.")
@trust_options(light=False)
@time_options(age=False, strictness=True)
@output_option
def join(files: tuple[Path, ...], package: Path, out: Path, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """Join the signatures of several validators. Exits with 6 when they are no quorum yet, and without a file when a
    check of the package stays open and --strict is on.

    Example: crossclear onchain join one.cco two.cco three.cco --package epoch.ccp --out keys.cco --genesis
    genesis.json
    """
    from member.durable_files import write_new
    from member.verifying.onchain import epoch_report_text, join_epochs, report_of_epoch
    from proofs.onchain.file import write_file

    checked = _package(package, trust, wanted)
    joined = join_epochs(files, checked.package)
    report = wanted.judged(report_of_epoch(joined, checked, anchored=trust.is_complete), output)
    if not report.refused:
        write_new(out, write_file(joined))
    show(report, epoch_report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


@onchain.command()
@click.argument("file", type=FILE)
@click.option("--package", type=FILE, required=True, help="The epoch's package.")
@trust_options(light=False)
@time_options(age=False, strictness=True)
@output_option
def check(file: Path, package: Path, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """Derive the keys of FILE again from its leaves and the package, and count who signed them.

    A contract cannot do this: it takes the keys from the quorum. Exits with 6 when no quorum signed, or when a check of
    the package stays open and --strict is on: without --genesis or hashes its own validators are taken.

    Example: crossclear onchain check part.cco --package epoch.ccp --genesis genesis.json
    """
    from member.verifying.onchain import epoch_report_text, read_epoch, report_of_epoch

    checked = _package(package, trust, wanted)
    report = wanted.judged(report_of_epoch(read_epoch(file), checked, anchored=trust.is_complete), output)
    show(report, epoch_report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


@onchain.command()
@click.argument("file", type=FILE)
@click.option("--package", type=FILE, required=True, help="The epoch's package.")
@own_options
@click.option("--chain-id", type=NUMBER, required=True, help="The chain of the contract.")
@click.option("--verifier", required=True, metavar="ADDRESS", help="The contract SolvencyVerifier.")
@click.option("--caller", required=True, metavar="ADDRESS", help="Who may use the proof: the asking contract, or you.")
@click.option("--purpose", metavar="HEX", default="00" * 32, help="What for, as the asking contract demands it.")
@click.option("--out", type=NEW_FILE, required=True, help="The proof of your account.")
@trust_options(light=False)
@time_options(age=False)
@output_option
def prove(
    file: Path,
    package: Path,
    own: "OwnAccountFiles | None",
    chain_id: int,
    verifier: str,
    caller: str,
    purpose: str,
    out: Path,
    trust: Trust,
    wanted: WantedVerdict,
    output: str,
) -> int:
    """Prove your own account under the keys in FILE, which a quorum must have signed, for one caller and purpose.

    The file reveals the account's number and its public shortfall. Every proof of the same account has the same bytes;
    what says for whom it is, is a signature beside them. To anybody else the file is of no use at the contract.

    Example: crossclear onchain prove keys.cco --package epoch.ccp --account 1 --seed-file seed --holdings
    holdings.json --chain-id 1 --verifier ADDRESS --caller ADDRESS --out proof.cca --genesis genesis.json
    """
    from member.durable_files import write_new
    from member.verifying.onchain import prove_own_account, read_epoch
    from member.verifying.package import package_file
    from proofs.onchain.presentation import Audience

    account = needed(own)
    audience = Audience(
        chain_id,
        hex_option("--verifier", verifier, 20) or b"",
        hex_option("--caller", caller, 20) or b"",
        hex_option("--purpose", purpose) or b"",
    )
    read = package_file(package)
    certified = _checked(read, trust, wanted, strict=True).package
    data = prove_own_account(read_epoch(file), certified, account, read.data, audience)
    write_new(out, data)
    tell({"file": str(out), "bytes": len(data)}, f"{out}: {len(data)} bytes", output)
    return ExitCode.OK


@onchain.command()
@click.argument("account", type=FILE)
@click.option("--epoch", type=FILE, help="The epoch's keys.")
@click.option("--package", type=FILE, help="With --epoch: the epoch's package, and who signed the keys is checked.")
@click.option("--keys", metavar="HEX", help="Their hash, as the contract keeps it, in place of both.")
@trust_options(light=False)
@time_options(age=False, strictness=True)
@output_option
def verify(
    account: Path,
    epoch: Path | None,
    package: Path | None,
    keys: str | None,
    trust: Trust,
    wanted: WantedVerdict,
    output: str,
) -> int:
    """Check the proof of an account, exactly as the contract does.

    With --epoch alone, nobody but that file says who signed the keys: `certificate` stays open. Exits with 6 when the
    proof fails, or when something stays open and --strict is on.

    Example: crossclear onchain verify mine.cca --epoch keys.cco --package epoch.ccp --genesis genesis.json
    """
    from member.verifying.onchain import account_report_text, check_account, read_epoch, report_of_epoch

    if (epoch is None) == (keys is None):
        raise click.UsageError("say which keys are trusted: --epoch or --keys")
    if package is None and trust != Trust(None, None, None):
        raise click.UsageError("whom you trust certifies a package: give it with --package and --epoch")
    if package is not None and epoch is None:
        raise click.UsageError("--package needs --epoch, whose signatures it judges")
    if epoch is None:
        report = check_account(account, hex_option("--keys", keys) or b"")
    else:
        found = read_epoch(epoch)
        signed = None
        if package is not None:
            signed = report_of_epoch(found, _package(package, trust, wanted), anchored=trust.is_complete)
        report = check_account(account, found.keys.hash).under(signed)
    report = wanted.judged(report, output)
    show(report, account_report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


@onchain.command()
@click.argument("file", type=FILE)
@click.option("--package", type=FILE, help="The epoch's package: FILE holds keys to be certified.")
@trust_options(light=False)
@time_options(age=False)
@output_option
def calldata(file: Path, package: Path | None, trust: Trust, wanted: WantedVerdict, output: str) -> int:
    """What a transaction carries: `certify` for an epoch's keys (with --package), `show` for an account's file.

    Example: crossclear onchain calldata proof.cca --package epoch.ccp --genesis genesis.json
    """
    from member.verifying.onchain import calldata_of_account, calldata_of_epoch, read_epoch

    if package is None:
        found = calldata_of_account(file)
    else:
        found = calldata_of_epoch(read_epoch(file), _package(package, trust, wanted).package)
    show(found, found.data, output)
    return ExitCode.OK


@onchain.command()
@click.argument("file", type=FILE)
@click.option("--package", type=FILE, help="The epoch's package: FILE holds keys to be certified.")
@rpc_option("the chain")
@click.option("--verifier", required=True, metavar="ADDRESS", help="The contract SolvencyVerifier.")
@click.option("--key-file", type=FILE, required=True, help="Who pays: a secp256k1 key, 64 hex digits, mode 0600.")
@trust_options(light=False)
@time_options(age=False)
@output_option
def send(
    file: Path,
    package: Path | None,
    rpc: str,
    verifier: str,
    key_file: Path,
    trust: Trust,
    wanted: WantedVerdict,
    output: str,
) -> int:
    """Send what `calldata` prints, and wait until it is mined. No other program may use the key.

    Example: crossclear onchain send proof.cca --package epoch.ccp --rpc URL --verifier ADDRESS --key-file payer.key
    --genesis genesis.json
    """
    import trio

    from member.verifying.onchain import Target, read_epoch, send_account, send_epoch

    target = Target(rpc, hex_option("--verifier", verifier, 20) or b"", key_file)
    if package is None:
        sent = trio.run(send_account, file, target)
    else:
        sent = trio.run(send_epoch, read_epoch(file), _package(package, trust, wanted).package, target)
    text = f"mined: 0x{sent}" if sent else "the contract has these keys already"
    tell({"transaction": f"0x{sent}" if sent else None}, text, output)
    return ExitCode.OK


def _package(path: Path, trust: Trust, wanted: WantedVerdict, *, strict: bool = False) -> "PublicPart":
    from member.verifying.package import package_file

    return _checked(package_file(path), trust, wanted, strict=strict)


def _checked(file: "FileBytes", trust: Trust, wanted: WantedVerdict, *, strict: bool = False) -> "PublicPart":
    """A package under what is trusted; `strict`: a secret is about to be used, so the trust must be complete."""
    from member.verifying.onchain import checked_package

    anchor, _ = trust.anchor_of(None)
    if strict and (anchor.network is None or anchor.validators_hash is None):
        raise click.UsageError("say whom you trust: --genesis, or --network with --validators-hash")
    return checked_package(file, wanted.fresh(trust.amended(anchor, file)))
