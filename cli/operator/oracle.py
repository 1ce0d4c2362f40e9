"""`crossclear oracle`: what the price sources of a node's settings answer."""

from pathlib import Path

import click

from cli.options import FILE
from cli.output import ExitCode, output_option, show


@click.group()
def oracle() -> None:
    """Try the price sources of a node."""


@oracle.command()
@click.argument("config", nargs=-1, required=True, type=FILE)
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=15.0, show_default=True, help="Wait at most.")
@output_option
def test(config: tuple[Path, ...], seconds: float, output: str) -> int:
    """Ask every price source of CONFIG, and show answer, age, verdict and what the node would vote.

    CONFIG is a node.toml, or files of configs/oracle: their feeds, surfaces and sources are taken together. Of a
    surface, forward, rate and smile of every expiry are shown. Ends as soon as every source is usable. Exits with 5
    when a feed or surface has too few usable sources. Nothing is sent to the network.

    Example: crossclear oracle test configs/oracle/btc.toml
    """
    import logging
    import os
    import time
    from functools import partial

    import structlog
    import trio

    # As a node: threads of linear algebra that wait for busy cores cost many times what they gain.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from node.offline.price_trial import as_text, read_oracle, try_prices

    settings = read_oracle(config)
    logged = structlog.get_config()
    # The verdicts say what connections log.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        found = trio.run(partial(try_prices, settings, seconds, lambda: time.time_ns() // 1_000_000))
    finally:
        structlog.configure(**logged)
    show(found, as_text(found), output)
    return ExitCode.OK if all(each.is_usable for each in found) else ExitCode.NOT_READY
