"""`crossclear onchain make|join|check|prove|verify|calldata|send`: one account's solvency, for contracts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import ExitCode, output_option, say, show
from cli.trust_options import Trusted, amended, anchor_of, own_options, trust_options

if TYPE_CHECKING:
    from member.verifying.onchain import EpochReport
    from proofs.epoch.package import EpochPackage

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_NEW = click.Path(dir_okay=False, path_type=Path)


@click.group()
def onchain() -> None:
    """Show a contract on a chain that one account is solvent, without its holdings.

    Validators derive an epoch's keys and sign them (`make`, `join`); a member proves its account under keys that a
    quorum signed (`prove`); `calldata` is what a transaction to the contract SolvencyVerifier carries.
    """


@onchain.command()
@click.argument("package", type=_FILE)
@click.option("--home", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--sign/--no-sign", default=True, show_default=True, help="Sign the keys as the home's validator.")
@click.option("--out", type=_NEW, required=True, help="The epoch's keys, leaves and the own signature.")
@trust_options
def make(package: Path, home: Path, sign: bool, out: Path, trusted: Trusted) -> int:
    """Derive the keys of PACKAGE's epoch from a stopped validator's home, and sign them."""
    from member.durable_files import write_new
    from node.offline.onchain_keys import derive_from_state, onchain_state_of_home
    from proofs.onchain.file import write_file

    certified = _package(package, trusted, strict=True)
    state, secrets = onchain_state_of_home(home, certified.statement.height, sign=sign)
    made = derive_from_state(certified, state, secrets)
    write_new(out, write_file(made))
    say(f"{out}: epoch {made.keys.epoch}, {made.keys.accounts} accounts, {len(made.shares)} signature(s)")
    return ExitCode.OK


@onchain.command()
@click.argument("files", type=_FILE, nargs=-1, required=True)
@click.option("--package", type=_FILE, required=True, help="The epoch's package.")
@click.option("--out", type=_NEW, required=True, help="One file with all signatures.")
@trust_options
@output_option
def join(files: tuple[Path, ...], package: Path, out: Path, trusted: Trusted, output: str) -> int:
    """Join the signatures of several validators. Exits with 6 when they are no quorum yet."""
    from member.durable_files import write_new
    from member.verifying.onchain import join_epochs, report_of_epoch
    from proofs.onchain.file import write_file

    certified = _package(package, trusted)
    joined = join_epochs(files, certified)
    report = report_of_epoch(joined, certified, anchored=trusted.says_all)
    write_new(out, write_file(joined))
    show(report, _report_lines(report), output)
    return ExitCode.OK if report.certified else ExitCode.VERIFICATION


@onchain.command()
@click.argument("file", type=_FILE)
@click.option("--package", type=_FILE, required=True, help="The epoch's package.")
@trust_options
@output_option
def check(file: Path, package: Path, trusted: Trusted, output: str) -> int:
    """Derive the keys of FILE again from its leaves and the package, and count who signed them.

    A contract cannot do this: it takes the keys from the quorum.
    """
    from member.verifying.onchain import read_epoch, report_of_epoch

    certified = _package(package, trusted)
    report = report_of_epoch(read_epoch(file), certified, anchored=trusted.says_all)
    show(report, _report_lines(report), output)
    return ExitCode.OK if report.certified else ExitCode.VERIFICATION


@onchain.command()
@click.argument("file", type=_FILE)
@click.option("--package", type=_FILE, required=True, help="The epoch's package.")
@own_options
@click.option("--out", type=_NEW, required=True, help="What your account shows.")
@trust_options
def prove(
    file: Path,
    package: Path,
    account: int | None,
    seed_file: Path | None,
    holdings: Path | None,
    out: Path,
    trusted: Trusted,
) -> int:
    """Prove your own account under the keys in FILE, which a quorum must have signed.

    The file reveals the account's number and its public shortfall. Every proof of the same account has the same bytes.
    """
    from member.durable_files import write_new
    from member.verifying.onchain import prove_own_account, read_epoch
    from member.verifying.package import OwnAccountFiles, read_limited
    from proofs.epoch.package import PACKAGE_BYTES_MAX

    if account is None or seed_file is None or holdings is None:
        raise click.UsageError("--account, --seed-file and --holdings are all needed")
    certified = _package(package, trusted, strict=True)
    own = OwnAccountFiles(account, seed_file, holdings)
    data = prove_own_account(read_epoch(file), certified, own, read_limited(package, PACKAGE_BYTES_MAX))
    write_new(out, data)
    say(f"{out}: {len(data)} bytes")
    return ExitCode.OK


@onchain.command()
@click.argument("account", type=_FILE)
@click.option("--epoch", type=_FILE, help="The epoch's keys; `check` says whether to trust them.")
@click.option("--keys", metavar="HEX", help="Their hash, as the contract keeps it.")
@output_option
def verify(account: Path, epoch: Path | None, keys: str | None, output: str) -> int:
    """Check what an account shows, exactly as the contract does."""
    from member.verifying.onchain import check_account, read_epoch

    if (epoch is None) == (keys is None):
        raise click.UsageError("say which keys are trusted: --epoch or --keys")
    trusted = read_epoch(epoch).keys.hash if epoch is not None else _hex(keys or "", 32, "--keys")
    report = check_account(account, trusted)
    short = f", short by a public {report.shortfall}" if report.shortfall else ""
    text = (
        f"account {report.account} keeps every row of epoch {report.epoch}{short}\n"
        f"under keys {report.keys}, of which a quorum's word is taken here: `onchain check` derives them again"
    )
    show(report, text, output)
    return ExitCode.OK


@onchain.command()
@click.argument("file", type=_FILE)
@click.option("--package", type=_FILE, help="The epoch's package: FILE holds keys to be certified.")
@trust_options
@output_option
def calldata(file: Path, package: Path | None, trusted: Trusted, output: str) -> int:
    """What a transaction carries: `certify` for an epoch's keys (with --package), `show` for an account's file."""
    from member.verifying.onchain import calldata_of_account, calldata_of_epoch, read_epoch

    if package is None:
        found = calldata_of_account(file)
    else:
        found = calldata_of_epoch(read_epoch(file), _package(package, trusted))
    show(found, found.data, output)
    return ExitCode.OK


@onchain.command()
@click.argument("file", type=_FILE)
@click.option("--package", type=_FILE, help="The epoch's package: FILE holds keys to be certified.")
@click.option("--rpc", required=True, metavar="URL", help="An endpoint of the chain.")
@click.option("--verifier", required=True, metavar="ADDRESS", help="The contract SolvencyVerifier.")
@click.option("--key-file", type=_FILE, required=True, help="Who pays: a secp256k1 key, 64 hex digits, mode 0600.")
@trust_options
def send(file: Path, package: Path | None, rpc: str, verifier: str, key_file: Path, trusted: Trusted) -> int:
    """Send what `calldata` prints, and wait until it is mined. No other program may use the key."""
    import trio

    from member.verifying.onchain import Target, read_epoch, send_account, send_epoch

    target = Target(rpc, _hex(verifier, 20, "--verifier"), key_file)
    if package is None:
        sent = trio.run(send_account, file, target)
    else:
        sent = trio.run(send_epoch, read_epoch(file), _package(package, trusted), target)
    say(f"mined: 0x{sent}" if sent else "the contract has these keys already")
    return ExitCode.OK


def _hex(text: str, size: int, option: str) -> bytes:
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != size:
        raise click.BadParameter(f"expected {2 * size} hex digits", param_hint=option)
    return data


def _package(path: Path, trusted: Trusted, *, strict: bool = False) -> "EpochPackage":
    """A package under what is trusted; `strict`: a secret is about to be used, so all of it must be said."""
    from member.verifying.onchain import trusted_package

    anchor, _ = anchor_of(None, trusted.genesis, trusted.validators_hash, trusted.network)
    if strict and (anchor.network is None or anchor.validators_hash is None):
        raise click.UsageError("say whom you trust: --genesis, or --network with --validators-hash")
    return trusted_package(path, amended(anchor, path, trusted.amendments))


def _report_lines(report: "EpochReport") -> str:
    state = "certified by" if report.certified else "NOT certified: signed by only"
    limit = (
        ""
        if report.anchored
        else (
            "\nnothing but the files themselves was trusted: pass --genesis, or --network with --validators-hash, or "
            "anybody may have made them"
        )
    )
    return (
        f"epoch {report.epoch}, {report.accounts} accounts\n"
        f"keys {report.keys}, derived again from the leaves and the statement\n"
        f"{state} {report.signed_power} of {report.total_power} power{limit}"
    )
