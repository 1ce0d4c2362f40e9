"""`crossclear vault deploy|verify`: make a vault, and compare one with what is stated."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.operator.vaults.options import address_option, gas_option, vault_rpc_option
from cli.options import FILE, NEW_FILE, hex_option, read_hex_secret, together
from cli.output import ExitCode, output_option, say, show

if TYPE_CHECKING:
    from bridge.contracts.cold_quorum import ColdKeys
    from bridge.contracts.deploy import VaultAsset
    from clearing.base.validators import ValidatorSet
    from clearing.schema.terms.genesis import Genesis

DAY_S = 86_400
TRUSTING_DAYS_MAX = 14
"""A vault trusts a set for less time than its misbehaviour can be proven (`clearing.validators.evidence_age`)."""

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


profile_option = click.option(
    "--profile",
    default="",
    metavar="NAME",
    help="The chain's profile: it says what certificates the vault takes. By default the one that names the chain id.",
)


@click.command()
@click.option("--genesis", type=FILE, required=True, help="Trusted genesis.json: names the network and its first set.")
@click.option("--validators-hash", metavar="HEX", help="The set in force, where it is no longer that of genesis.")
@click.option("--url", help="A node that serves the set with this hash.")
@_term_options
@click.option(
    "--salt", type=click.IntRange(0, 2**256 - 1), default=0, help="Another number gives the same vault another address."
)
@vault_rpc_option
@gas_option
@profile_option
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
        guardian=address_option("--guardian", guardian),
        cold_keys=_cold_keys(cold_keys, cold_threshold),
        assets=tuple(map(_asset, tokens)),
        trusting_s=trusting_days * DAY_S,
        pause_s=pause_days * DAY_S,
        wrapped_native=address_option("--wrapped-native", wrapped_native) if wrapped_native else b"",
    )
    deployment = Deployment(terms, salt, profile)
    secret = read_hex_secret(payer_file)
    if out is None or dry_run:
        receipt = trio.run(plan_vault, rpc, deployment, secret)
    else:
        receipt = trio.run(deploy_vault, rpc, deployment, secret, ReceiptFile(out).keep)
        say(f"{out}: keep it; `crossclear vault verify` checks the vault with it")
    show(receipt, receipt_text(receipt), output)


@click.command()
@click.argument("address")
@vault_rpc_option
@click.option("--receipt", "receipt_file", type=FILE, help="Of its deployment: shows what it was created with.")
@click.option("--genesis", type=FILE, help="Trusted genesis.json: network, set, and the chain's tokens.")
@click.option("--validators-hash", metavar="HEX", help="The set that it should follow, instead of an earlier one.")
@click.option("--guardian", metavar="ADDRESS", help="Its guardian, instead of an earlier one.")
@click.option("--token", "tokens", metavar="ADDRESS:UNIT[:MINIMUM]", multiple=True, help="A token that it should list.")
@profile_option
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
    report: VaultReport = trio.run(
        verify_at, rpc, address_option("ADDRESS", address), stated, trusted, receipt, profile
    )
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION


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

    keys = sorted(address_option("--cold-key", text) for text in texts)
    return ColdKeys(tuple(keys), threshold)


def _asset(text: str) -> "VaultAsset":
    from bridge.contracts.deploy import VaultAsset

    address, *numbers = text.split(":")
    if not 1 <= len(numbers) <= 2 or not all(each.isascii() and each.isdigit() and len(each) < 40 for each in numbers):
        raise click.BadParameter(f"expected ADDRESS:UNIT[:MINIMUM], got {text!r}", param_hint="--token")
    unit, minimum = int(numbers[0]), int(numbers[-1]) if numbers[1:] else 0
    if not 0 < unit < 2**128 or not (minimum == 0 or unit <= minimum < 2**128):
        raise click.BadParameter(f"0 < UNIT <= MINIMUM < 2^128, got {text!r}", param_hint="--token")
    return VaultAsset(address_option("--token", address), unit, minimum)
