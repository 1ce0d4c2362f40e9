"""`crossclear devnet`: the demonstration, or a network that stays up.

Rule: talk goes to standard error; nothing is left running, whatever ends it.
"""

import signal

import trio
from rich.console import Console

from clearing.base.errors import LocalFault
from node.devnet.demo import run_demo
from node.devnet.network import Devnet, running_devnet
from node.devnet.options import DevnetOptions, check_options
from node.devnet.story import RISKY, Story


def main(options: DevnetOptions) -> int:
    """Run until the end of the demonstration, or until Ctrl-C (which is a clean end). Raises LocalFault.

    SIGTERM and SIGHUP end it as Ctrl-C does: by themselves they would leave validators without an owner.
    """
    check_options(options)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it for what it starts in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    console = Console(stderr=True)
    if options.demo:
        return trio.run(run_demo, options, console)
    try:
        trio.run(_stay_up, options, console)
    except* KeyboardInterrupt:
        console.print("the network has ended")
    return 0


async def _stay_up(options: DevnetOptions, console: Console) -> None:
    async with running_devnet(options) as devnet:
        _introduce(devnet, console)
        story = Story(devnet, lambda text: console.print(text, highlight=False))
        await story.fund()
        await story.trading.open_book()
        story.start_replay()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_watch, devnet)
            while True:
                try:
                    await story.trading.flow(avoid=RISKY)
                except LocalFault as fault:
                    console.print(str(fault), style="yellow")
                    await trio.sleep(1)


async def _watch(devnet: Devnet) -> None:
    while True:
        for node in devnet.nodes.values():
            node.check()
        await trio.sleep(1)


def _introduce(devnet: Devnet, console: Console) -> None:
    console.print("the network is up; Ctrl-C ends it")
    for name in devnet.nodes:
        console.print(f"  {name}  {devnet.url(name)}/v1/state  /readyz  /metrics", highlight=False)
    for chain in devnet.chains:
        vault = chain.deployed.vault.hex()
        console.print(f"  {chain.deployed.name}  {chain.anvil.url}  vault 0x{vault}", highlight=False)
    console.print(f"  {devnet.options.output_dir}  homes, logs, packages", highlight=False)
