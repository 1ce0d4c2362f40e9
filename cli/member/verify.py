"""`crossclear verify FILE`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE
from cli.output import ExitCode, output_option, show
from cli.trust_options import Trust, own_options, trust_options
from cli.verdict_options import WantedVerdict, verdict_options

if TYPE_CHECKING:
    from member.verifying.package import OwnAccountFiles


@click.command()
@click.argument("file", type=FILE)
@trust_options()
@own_options
@verdict_options
@click.option("--second-opinion", is_flag=True, help="Also check the certificate with py-ecc (about a second).")
@output_option
def verify(
    file: Path,
    trust: Trust,
    own: "OwnAccountFiles | None",
    wanted: WantedVerdict,
    second_opinion: bool,
    output: str,
) -> int:
    """Check an epoch package offline: certificate, roots, solvency of every account, matched book, reserves.

    With an own account also that it is in the certified list with exactly these holdings. Exits with 0 when every check
    passes and with 6 when one fails, or when one stays open and --strict is on. Needs neither node nor keys.

    Example: crossclear verify epoch.ccp --genesis genesis.json --account 1 --seed-file seed --holdings holdings.json
    """
    from member.verifying.package import package_file, report_text, verify_file

    package = package_file(file)
    anchor, light_check = trust.anchor_of(package)
    report, _ = verify_file(package, wanted.fresh(trust.amended(anchor, package)), own)
    if light_check is not None:
        report = report.with_check(light_check)
    if second_opinion:
        from member.verifying.py_ecc_check import check_with_py_ecc

        report = report.with_check(check_with_py_ecc(package.data))
    report = wanted.judged(report, output)
    show(report, report_text(report), output)
    return ExitCode.OK if report.ok else ExitCode.VERIFICATION
