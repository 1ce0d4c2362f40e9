"""`crossclear vault pause|unpause|freeze`: stop a vault, and end its pause."""

from pathlib import Path

import click

from cli.operator.vaults.options import address_option, vault_rpc_option
from cli.options import FILE, NEW_FILE, hex_option, read_hex_secret
from cli.output import output_option, say, show


@click.command()
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

    mined, found = trio.run(pause_vault, rpc, address_option("ADDRESS", address), read_hex_secret(guardian_file))
    say(f"block {mined.block_number}: 0x{mined.hash.hex()}")
    show(found, standing_text(found), output)


@click.command()
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

    at = address_option("ADDRESS", address)
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


@click.command()
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
    found = trio.run(freeze_vault, rpc, address_option("ADDRESS", address), read_evidence(evidence), secret)
    show(found, freeze_text(found), output)
