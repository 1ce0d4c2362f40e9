"""`crossclear status`: what a running node reports of itself and of its peers, faults first."""

import time

import click

from cli.options import url_option
from cli.output import ExitCode, output_option, show

_WATCH_S = 2.0


@click.command()
@url_option
@click.option("--watch", is_flag=True, help="Repeat every two seconds, until Ctrl-C.")
@output_option
def status(url: str, watch: bool, output: str) -> int:
    """Print height, epoch, readiness, and each peer with its score.

    Exits with 4 when no node answers, with 5 when it is not ready.
    """
    from member.client.status import fetch_status
    from member.printing.node_status import status_text

    while True:
        found = fetch_status(url)
        show(found, status_text(found), output)
        if not watch:
            return ExitCode.OK if found.readiness.ready else ExitCode.NOT_READY
        time.sleep(_WATCH_S)
