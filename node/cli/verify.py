"""`crossclear verify FILE`."""

from pathlib import Path

import click

from node.cli.exits import Exit
from node.cli.output import output_option, show


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--genesis", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trusted genesis.json.")
@click.option("--validators-hash", metavar="HEX", help="Trusted validator set, 64 hex digits.")
@click.option("--network", metavar="HEX", help="Trusted network id, 64 hex digits.")
@click.option(
    "--light-store",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust what `crossclear light` verified into this file.",
)
@click.option("--light-url", "light_urls", multiple=True, help="A node that shows what the store lacks; more confirm.")
@click.option("--account", type=click.IntRange(min=0), help="Own account, to check that it is included.")
@click.option("--seed-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its blinding seed.")
@click.option("--holdings", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its holdings, JSON.")
@click.option("--second-opinion", is_flag=True, help="Also check the certificate with py-ecc (about a second).")
@output_option
def verify(
    file: Path,
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    light_store: Path | None,
    light_urls: tuple[str, ...],
    account: int | None,
    seed_file: Path | None,
    holdings: Path | None,
    second_opinion: bool,
    output: str,
) -> int:
    """Check an epoch package offline: certificate, roots, solvency of every account, matched book, reserves.

    Exits with 0 when every check passes and with 6 when one fails. Needs neither node nor keys.
    """
    from node.verify import Anchor, Own, anchor_of_genesis, in_words, verify_file

    anchor = Anchor()
    if genesis is not None:
        if validators_hash or network:
            raise click.UsageError("--genesis states network and validators: leave --network and --validators-hash out")
        anchor = anchor_of_genesis(genesis.read_bytes())
    elif validators_hash or network:
        anchor = Anchor(_hash("--network", network), _hash("--validators-hash", validators_hash))
    light = None
    if light_store is not None:
        if genesis is not None or anchor != Anchor():
            raise click.UsageError("--light-store states network and validators: leave the other anchors out")
        from consensus.light.client import TrustPolicy
        from node.cli.light import TRUSTING_PERIOD_S
        from node.light.verify_package import anchor_of_light_store

        policy = TrustPolicy(TRUSTING_PERIOD_S * 1000)
        anchor, light = anchor_of_light_store(file, light_store, light_urls, policy, Path("light-evidence"))
    elif light_urls:
        raise click.UsageError("--light-url needs --light-store")
    own = None
    if account is not None and seed_file is not None and holdings is not None:
        own = Own(account, seed_file, holdings)
    elif (account, seed_file, holdings) != (None, None, None):
        raise click.UsageError("--account, --seed-file and --holdings go together")
    report, verdict = verify_file(file, anchor, own)
    if light is not None:
        report = report.with_check(light)
    if second_opinion:
        from node.second_opinion import second_opinion as ask

        report = report.with_check(ask(file.read_bytes()))
    show(report, in_words(report, verdict, anchor), output)
    return Exit.OK if report.ok else Exit.VERIFICATION


def _hash(option: str, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != 32:
        raise click.BadParameter("expected 64 hex digits", param_hint=option)
    return data
