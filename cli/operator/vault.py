"""`crossclear vault deploy|verify|status|rotate|pause|unpause|freeze|escape|refund`: a chain's vault."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.chain_options import payer_option, rpc_option
from cli.options import FILE, NEW_FILE, NUMBER, hex_option, read_hex_secret, together, url_option
from cli.output import ExitCode, output_option, say, show

if TYPE_CHECKING:
    from bridge.contracts.cold_quorum import ColdKeys
    from bridge.contracts.deploy import VaultAsset
    from clearing.base.validators import ValidatorSet
    from clearing.schema.terms.genesis import Genesis
    from member.vaults.escaping import EscapeRun

DAY_S = 86_400
TRUSTING_DAYS_MAX = 14
"""A vault trusts a set for less time than its misbehaviour can be proven (`clearing.validators.evidence_age`)."""
vault_rpc_option = rpc_option("the vault's chain")
gas_option = payer_option()


@click.group()
def vault() -> None:
    """Deploy a vault, check it, follow it, update it, pause it, end a pause, freeze it, and take part in its escape."""


_term_options = together(
    click.option("--guardian", metavar="ADDRESS", required=True, help="Who may pause the vault."),
    click.option(
        "--cold-key",
        "cold_keys",
        metavar="ADDRESS",
        multiple=True,
        required=True,
        help="Of the cold quorum; repeat it.",
    ),
    click.option(
        "--cold-threshold", type=click.IntRange(2, 64), required=True, help="How many cold keys sign together."
    ),
    click.option(
        "--token",
        "tokens",
        metavar="ADDRESS:UNIT[:MINIMUM]",
        multiple=True,
        required=True,
        help="A token, and its base units in one clearing unit and in the least deposit (default: one unit). Repeat.",
    ),
    click.option("--wrapped-native", metavar="ADDRESS", help="The listed token that native coin is wrapped into."),
    click.option(
        "--trusting-days",
        type=click.IntRange(1, TRUSTING_DAYS_MAX),
        default=TRUSTING_DAYS_MAX,
        show_default=True,
        help="Trust in a validator set.",
    ),
    click.option(
        "--pause-days", type=click.IntRange(1, 182), default=3, show_default=True, help="Longest pause by the guardian."
    ),
)


_profile_option = click.option(
    "--profile",
    default="",
    metavar="NAME",
    help="The chain's profile: it says what certificates the vault takes. By default the one that names the chain id.",
)


@vault.command()
@click.option("--genesis", type=FILE, required=True, help="Trusted genesis.json: names the network and its first set.")
@click.option("--validators-hash", metavar="HEX", help="The set in force, where it is no longer that of genesis.")
@click.option("--url", help="A node that serves the set with this hash.")
@_term_options
@click.option(
    "--salt", type=click.IntRange(0, 2**256 - 1), default=0, help="Another number gives the same vault another address."
)
@vault_rpc_option
@gas_option
@_profile_option
@click.option("--dry-run", is_flag=True, help="Check everything, print addresses and gas, send nothing.")
@click.option("--out", type=NEW_FILE, help="Write the receipt to a new file. Needed unless with --dry-run.")
@output_option
def deploy(
    genesis: Path,
    validators_hash: str | None,
    url: str | None,
    guardian: str,
    cold_keys: tuple[str, ...],
    cold_threshold: int,
    tokens: tuple[str, ...],
    wrapped_native: str | None,
    trusting_days: int,
    pause_days: int,
    salt: int,
    rpc: str,
    payer_file: Path,
    profile: str,
    dry_run: bool,
    out: Path | None,
    output: str,
) -> None:
    """Deploy a vault, its extension and the certificate verifier.

    All that the vault is bound to for ever is checked before anything is sent. The addresses follow from the terms
    alone, so that they are known before. A deployment that broke off is continued with a new --out. Keep the receipt:
    `vault verify` proves with it what the vault was created with. It is written before the first transaction.

    Example: crossclear vault deploy --genesis genesis.json --guardian ADDRESS --cold-key ADDRESS --cold-threshold 1
    --token ADDRESS --rpc URL --payer-file payer.key --dry-run
    """
    import trio

    from bridge.contracts.deploy import VaultTerms
    from clearing.schema.terms.genesis import network_id
    from member.client.downloads import refuse_existing
    from member.printing.vaults import receipt_text
    from member.vaults.deployment import Deployment, deploy_vault, plan_vault
    from member.vaults.receipt import ReceiptFile

    if out is None and not dry_run:
        raise click.UsageError("--out is needed unless with --dry-run")
    if out is not None:
        refuse_existing(out)
    trusted = _genesis(genesis)
    terms = VaultTerms(
        network=network_id(trusted),
        validators=_set_in_force(trusted, validators_hash, url),
        guardian=_address("--guardian", guardian),
        cold_keys=_cold_keys(cold_keys, cold_threshold),
        assets=tuple(map(_asset, tokens)),
        trusting_s=trusting_days * DAY_S,
        pause_s=pause_days * DAY_S,
        wrapped_native=_address("--wrapped-native", wrapped_native) if wrapped_native else b"",
    )
    deployment = Deployment(terms, salt, profile)
    secret = read_hex_secret(payer_file)
    if out is None or dry_run:
        receipt = trio.run(plan_vault, rpc, deployment, secret)
    else:
        receipt = trio.run(deploy_vault, rpc, deployment, secret, ReceiptFile(out).keep)
        say(f"{out}: keep it; `crossclear vault verify` checks the vault with it")
    show(receipt, receipt_text(receipt), output)


@vault.command()
@click.argument("address")
@vault_rpc_option
@click.option("--receipt", "receipt_file", type=FILE, help="Of its deployment: shows what it was created with.")
@click.option("--genesis", type=FILE, help="Trusted genesis.json: network, set, and the chain's tokens.")
@click.option("--validators-hash", metavar="HEX", help="The set that it should follow, instead of an earlier one.")
@click.option("--guardian", metavar="ADDRESS", help="Its guardian, instead of an earlier one.")
@click.option("--token", "tokens", metavar="ADDRESS:UNIT[:MINIMUM]", multiple=True, help="A token that it should list.")
@_profile_option
@output_option
def verify(
    address: str,
    rpc: str,
    receipt_file: Path | None,
    genesis: Path | None,
    validators_hash: str | None,
    guardian: str | None,
    tokens: tuple[str, ...],
    profile: str,
    output: str,
) -> int:
    """Compare the vault at ADDRESS with the committed contracts and with what is stated.

    Exits with 6 when anything differs, and names it. The endpoint is believed: ask one of your own.

    Example: crossclear vault verify VAULT --rpc URL --receipt deployed.json
    """
    import trio

    from member.printing.vaults import report_text
    from member.vaults.receipt import FILE_BYTES_MAX, read_receipt
    from member.vaults.verification import ExpectedVault, VaultReport, verify_at
    from member.verifying.package import read_limited

    stated = ExpectedVault(
        validators_hash=hex_option("--validators-hash", validators_hash),
        guardian=hex_option("--guardian", guardian, 20),
        assets=tuple(map(_asset, tokens)),
    )
    receipt = read_receipt(read_limited(receipt_file, FILE_BYTES_MAX)) if receipt_file else None
    trusted = _genesis(genesis) if genesis else None
    report: VaultReport = trio.run(verify_at, rpc, _address("ADDRESS", address), stated, trusted, receipt, profile)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


token_option = click.option("--token", "tokens", metavar="ADDRESS", multiple=True, help="Show its counters. Repeat.")


@vault.command()
@click.argument("address")
@vault_rpc_option
@token_option
@output_option
def status(address: str, rpc: str, tokens: tuple[str, ...], output: str) -> None:
    """Print what the vault at ADDRESS says of itself: checkpoint, set, pause, silence, and what it owes and has.

    Example: crossclear vault status VAULT --rpc URL
    """
    import trio

    from member.printing.vaults import standing_text
    from member.vaults.standing import vault_standing

    listed = [_address("--token", token) for token in tokens]
    found = trio.run(vault_standing, rpc, _address("ADDRESS", address), listed)
    show(found, standing_text(found), output)


@vault.command()
@click.argument("address")
@vault_rpc_option
@gas_option
@url_option
@click.option(
    "--from-height",
    type=click.IntRange(1, 2**63 - 1),
    default=1,
    show_default=True,
    help="Where the set that the vault follows was in force; only for a vault without a checkpoint.",
)
@output_option
def rotate(address: str, rpc: str, payer_file: Path, url: str, from_height: int, output: str) -> None:
    """Post what the vault at ADDRESS lacks: each change of validators, their keys, and a node's newest header.

    For when no relayer runs. The node is trusted with nothing: the vault checks every certificate. Repeat it at will.

    Example: crossclear vault rotate VAULT --rpc URL --payer-file payer.key --url http://127.0.0.1:26680
    """
    import trio

    from member.light.source import http_sources
    from member.printing.vaults import standing_text
    from member.vaults.rotation import rotate_vault

    secret = read_hex_secret(payer_file)
    with http_sources([url]) as (source,):
        found = trio.run(rotate_vault, rpc, _address("ADDRESS", address), source, secret, from_height, say)
    show(found, standing_text(found), output)


@vault.command()
@click.argument("address")
@vault_rpc_option
@click.option(
    "--guardian-file",
    type=NEW_FILE,
    required=True,
    help="The guardian's key; it pays, too. 64 hex digits, mode 0600.",
)
@output_option
def pause(address: str, rpc: str, guardian_file: Path, output: str) -> None:
    """Lock the vault at ADDRESS for its pause period.

    Only its guardian may. A cold quorum ends the pause before its time.

    Example: crossclear vault pause VAULT --rpc URL --guardian-file guardian.key
    """
    import trio

    from member.printing.vaults import standing_text
    from member.vaults.standing import pause_vault

    mined, found = trio.run(pause_vault, rpc, _address("ADDRESS", address), read_hex_secret(guardian_file))
    say(f"block {mined.block_number}: 0x{mined.hash.hex()}")
    show(found, standing_text(found), output)


@vault.command()
@click.argument("address")
@vault_rpc_option
@click.option("--signature", "signatures", metavar="HEX", multiple=True, help="By a cold key: 65 bytes. Repeat.")
@click.option("--payer-file", type=NEW_FILE, help="With signatures: the key that pays for gas.")
@output_option
def unpause(address: str, rpc: str, signatures: tuple[str, ...], payer_file: Path | None, output: str) -> None:
    """End the pause of the vault at ADDRESS by its cold quorum.

    Without signatures it prints what the cold keys sign: typed data for wallets, and its digest. With them, in any
    order, it sends them. Cold keys stay where they are: no command takes one.

    Example: crossclear vault unpause VAULT --rpc URL --signature HEX --payer-file payer.key
    """
    import trio

    from member.printing.vaults import decision_text, standing_text
    from member.vaults.unpause import end_pause, pause_end

    at = _address("ADDRESS", address)
    if not signatures:
        decision = trio.run(pause_end, rpc, at)
        show(decision, decision_text(decision), output)
        return
    if payer_file is None:
        raise click.UsageError("--payer-file is needed to send signatures")
    given = [hex_option("--signature", each, 65) or b"" for each in signatures]
    mined, found = trio.run(end_pause, rpc, at, given, read_hex_secret(payer_file))
    say(f"block {mined.block_number}: 0x{mined.hash.hex()}")
    show(found, standing_text(found), output)


@vault.command()
@click.argument("address")
@vault_rpc_option
@click.option(
    "--evidence", type=FILE, required=True, help="A light client's or a node's: two certified headers of one height."
)
@click.option("--payer-file", type=NEW_FILE, help="The key that pays for gas. Without it nothing is sent.")
@output_option
def freeze(address: str, rpc: str, evidence: Path, payer_file: Path | None, output: str) -> None:
    """Show the vault at ADDRESS two certified headers of one height, so that it freezes. Anybody may.

    Without --payer-file it says what the vault would do. A vault that is frozen already is sent nothing. Repeat it for
    each vault of the network: one file is evidence on every chain whose vaults take its certificates. A node keeps such
    files in conflicts/ of its home.

    Example: crossclear vault freeze VAULT --rpc URL --evidence found.conflict --payer-file payer.key
    """
    import trio

    from member.printing.vaults import freeze_text
    from member.vaults.freezing import freeze_vault, read_evidence

    secret = read_hex_secret(payer_file) if payer_file is not None else None
    found = trio.run(freeze_vault, rpc, _address("ADDRESS", address), read_evidence(evidence), secret)
    show(found, freeze_text(found), output)


_escape_options = together(
    vault_rpc_option,
    gas_option,
    click.option("--dry-run", is_flag=True, help="Estimate the gas of what is possible now, send nothing."),
    click.option("--out", type=NEW_FILE, help="Write the receipt to a new file."),
    output_option,
)


@vault.command("escape")
@click.argument("address")
@_escape_options
def escape_(address: str, rpc: str, payer_file: Path, dry_run: bool, out: Path | None, output: str) -> None:
    """State that the network of the vault at ADDRESS is silent, which triggers its escape. Anybody may.

    Prints the stage, until when it lasts, and what to do next. Where the escape was triggered already it sends nothing.

    Example: crossclear vault escape VAULT --rpc URL --payer-file payer.key --dry-run
    """
    import trio

    from member.printing.vaults import escape_text
    from member.vaults.escaping import trigger_escape

    run = _escape_run(dry_run, out)
    receipt = trio.run(trigger_escape, rpc, _address("ADDRESS", address), read_hex_secret(payer_file), run)
    show(receipt, escape_text(receipt), output)


@vault.command()
@click.argument("address")
@click.option("--token", "tokens", metavar="ADDRESS", multiple=True, required=True, help="Of the deposits. Repeat.")
@click.option("--from-block", type=NUMBER, default=0, help="Look for deposits from this block on.")
@click.option("--deposit", type=NUMBER, help="While the network lives: say where the refund of this deposit stands.")
@click.option("--url", help="With --deposit: a node of the network.")
@click.option("--exit-file", type=FILE, help="Anybody's exit file of the vault's tree: opens tokens nobody has opened.")
@_escape_options
def refund(
    address: str,
    tokens: tuple[str, ...],
    from_block: int,
    deposit: int | None,
    url: str | None,
    exit_file: Path | None,
    rpc: str,
    payer_file: Path,
    dry_run: bool,
    out: Path | None,
    output: str,
) -> None:
    """Refund what was deposited at ADDRESS after the snapshot of its escape, to those who made the deposits.

    Run it while the vault is shown its records, and again when it pays. While the network lives it sends nothing,
    because the network itself refunds what it does not credit: --deposit says how far that is.

    Example: crossclear vault refund VAULT --token ADDRESS --rpc URL --payer-file payer.key --dry-run
    """
    import trio

    from member.printing.vaults import escape_text
    from member.vaults.escaping import refund_deposits
    from member.verifying.exits import FILE_BYTES_MAX, read_exit_file
    from member.verifying.package import read_limited

    if (deposit is None) is not (url is None):
        raise click.UsageError("--deposit and --url go together")
    run, secret = _escape_run(dry_run, out), read_hex_secret(payer_file)
    at, listed = _address("ADDRESS", address), [_address("--token", token) for token in tokens]
    totals = None if exit_file is None else read_exit_file(read_limited(exit_file, FILE_BYTES_MAX)).exit
    receipt = trio.run(refund_deposits, rpc, at, listed, secret, from_block, run, totals)
    show(receipt, escape_text(receipt), output)
    if url is not None and deposit is not None and not receipt.escape_from:
        say(_deposit_text(url, receipt.chain_id, at, deposit))


def _deposit_text(url: str, chain_id: int, at: bytes, nonce: int) -> str:
    from member.client.ask import ask_node
    from member.printing.deposits import deposit_text

    return deposit_text(ask_node(url, lambda client: client.deposit(chain_id, at, nonce)))


def _escape_run(dry_run: bool, out: Path | None) -> "EscapeRun":
    from member.client.downloads import refuse_existing
    from member.vaults.escaping import EscapeRun
    from member.vaults.receipt import ReceiptFile

    if out is None:
        return EscapeRun(dry_run)
    refuse_existing(out)
    return EscapeRun(dry_run, ReceiptFile(out).keep)


def _genesis(path: Path) -> "Genesis":
    from clearing.genesis.json import GENESIS_BYTES_MAX, genesis_from_json
    from member.verifying.package import read_limited

    return genesis_from_json(read_limited(path, GENESIS_BYTES_MAX))


def _set_in_force(genesis: "Genesis", validators_hash: str | None, url: str | None) -> "ValidatorSet":
    from member.vaults.deployment import set_in_force

    stated = hex_option("--validators-hash", validators_hash)
    if stated is None or stated == genesis.validators.hash:
        return genesis.validators
    if url is None:
        raise click.UsageError("--validators-hash is not of genesis: --url names a node that serves the set")
    return set_in_force(url, stated)


def _cold_keys(texts: tuple[str, ...], threshold: int) -> "ColdKeys":
    from bridge.contracts.cold_quorum import ColdKeys

    keys = sorted(_address("--cold-key", text) for text in texts)
    return ColdKeys(tuple(keys), threshold)


def _asset(text: str) -> "VaultAsset":
    from bridge.contracts.deploy import VaultAsset

    address, *numbers = text.split(":")
    if not 1 <= len(numbers) <= 2 or not all(each.isascii() and each.isdigit() and len(each) < 40 for each in numbers):
        raise click.BadParameter(f"expected ADDRESS:UNIT[:MINIMUM], got {text!r}", param_hint="--token")
    unit, minimum = int(numbers[0]), int(numbers[-1]) if numbers[1:] else 0
    if not 0 < unit < 2**128 or not (minimum == 0 or unit <= minimum < 2**128):
        raise click.BadParameter(f"0 < UNIT <= MINIMUM < 2^128, got {text!r}", param_hint="--token")
    return VaultAsset(_address("--token", address), unit, minimum)


def _address(option: str, text: str) -> bytes:
    return hex_option(option, text, 20) or b""
