"""`crossclear verify FILE`."""

from pathlib import Path

import click

from cli.output import ExitCode, output_option, show
from cli.trust_options import amended, amendments_option, anchor_of, anchor_options, light_options, own_options


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@anchor_options
@light_options
@amendments_option
@own_options
@click.option("--second-opinion", is_flag=True, help="Also check the certificate with py-ecc (about a second).")
@output_option
def verify(
    file: Path,
    genesis: Path | None,
    validators_hash: str | None,
    network: str | None,
    light_store: Path | None,
    light_urls: tuple[str, ...],
    amendments: Path | None,
    account: int | None,
    seed_file: Path | None,
    holdings: Path | None,
    second_opinion: bool,
    output: str,
) -> int:
    """Check an epoch package offline: certificate, roots, solvency of every account, matched book, reserves.

    With an own account also that it is in the certified list with exactly these holdings. Exits with 0 when every check
    passes and with 6 when one fails. Needs neither node nor keys.
    """
    from member.verifying.package import OwnAccountFiles, report_text, verify_file

    anchor, light = anchor_of(file, genesis, validators_hash, network, light_store, light_urls)
    anchor = amended(anchor, file, amendments, light_store, light_urls)
    own = None
    if account is not None and seed_file is not None and holdings is not None:
        own = OwnAccountFiles(account, seed_file, holdings)
    elif (account, seed_file, holdings) != (None, None, None):
        raise click.UsageError("--account, --seed-file and --holdings go together")
    report, _ = verify_file(file, anchor, own)
    if light is not None:
        report = report.with_check(light)
    if second_opinion:
        from member.verifying.py_ecc_check import check_with_py_ecc as ask

        report = report.with_check(ask(file.read_bytes()))
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION
