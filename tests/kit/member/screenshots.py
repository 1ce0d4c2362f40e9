"""Pictures of every view of the page: of a devnet that this brings up and plays the crash of March 2020 on, or of a
running node.

Run `python -m tests.kit.member.screenshots FOLDER` for the devnet, or
`python -m tests.kit.member.screenshots FOLDER ADDRESS [ACCOUNT TRADE_KEY_FILE]` for a running node.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import msgspec
import trio

from devnet.demo.story import BIDDERS, WRITER, DevnetStory, until
from devnet.demo.trading import Bidder
from devnet.market import load_market
from devnet.members import DevnetMember, now_ms
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from devnet.toolchain import install_browser, install_client, install_page
from node.oracle.source import HOUR_MS, Schedule, write_schedule
from tests.kit.member.driven_page import NARROW, VIEWS, Step, drive, signed_in, view
from tests.kit.pictures import shrink

WIDE_HEIGHT, NARROW_HEIGHT = 1_500, 1_400
HOURS, SPEED = 8, 120.0
"""How much of the crash has passed when pictures are taken, and how fast the rest does."""
CALL_BLOCKS, PACKAGES, PACKAGE_SECONDS = 3_000, 2, 600
MORE: dict[str, list[Step]] = {
    "solvency": [["click", "button[aria-label^='Verify epoch']"], ["see", "h2", ": VERIFIED"]],
    "account": [["click", "button:has-text('Compute')"], ["see", "#heat", "[0-9]"]],
}
"""What is done in a view before its picture is taken."""


def write_screenshots(address: str, folder: Path, account: int = 0, key: bytes = b"") -> None:
    """Every view, wide and light; the network's narrow and dark. With a key, as its member sees them."""
    folder = folder.resolve()  # the browser's driver runs in a folder of its own
    folder.mkdir(parents=True, exist_ok=True)
    begin = signed_in(account, key) if key else []
    scenes = []
    for name in VIEWS:
        there: list[Step] = [["click", f"nav a[href='#/{name}']"]] if begin else view(name)
        more = MORE.get(name, []) if begin else []
        picture: Step = ["screenshot", str(folder / f"{name}.png"), WIDE_HEIGHT]
        scenes.append({"steps": [*begin, *there, ["wait", 3000], *more, ["wait", 500], picture]})
    narrow: Step = ["screenshot", str(folder / "narrow.png"), NARROW_HEIGHT]
    scenes.append({"viewport": NARROW, "dark": True, "steps": [*view("network"), ["wait", 3000], narrow]})
    for scene in drive(address, *scenes):
        assert not scene.complaints, scene.complaints
    shrink(folder)


async def of_a_devnet(folder: Path, output_dir: Path) -> None:
    """Bring a devnet up, trade, let prices fall, and take the pictures as a member who wrote options."""
    market = load_market()
    calls = market.crisis["calls"] | {"deadline_blocks": CALL_BLOCKS, "early_blocks": CALL_BLOCKS}
    market = msgspec.structs.replace(market, crisis=market.crisis | {"calls": calls})
    async with running_devnet(DevnetOptions(output_dir=output_dir, market=market)) as devnet:
        story = DevnetStory(devnet, print)
        named = {member.name: member for member in devnet.members}
        await story.fund()
        await story.trading.open_book()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(story.trading.flow, avoid=frozenset((WRITER, "erin"))))
            for name in BIDDERS:
                nursery.start_soon(Bidder(devnet, named[name]).bid)
            own, address = named[WRITER], await until("packages", PACKAGE_SECONDS, partial(proving_node, devnet))
            start = now_ms() - HOURS * HOUR_MS // round(SPEED)
            write_schedule(devnet.schedule_path, Schedule(start_ms=start, speed=SPEED))
            await until("a call", PACKAGE_SECONDS, partial(is_called, devnet, own))
            await trio.to_thread.run_sync(write_screenshots, address, folder, own.id, own.secret)
            nursery.cancel_scope.cancel()


async def proving_node(devnet: Devnet) -> str | None:
    """The API of a node that has packages of several epochs; None: none has yet."""
    for name, client in devnet.clients.items():
        if len((await client.packages()).packages) >= PACKAGES:
            return devnet.url(name)
    return None


async def is_called(devnet: Devnet, member: DevnetMember) -> bool | None:
    async with devnet.client_of(member) as client:
        return True if (await client.account(member.id)).calls else None


def main(folder: str, *node: str) -> None:
    install_browser()
    install_client()
    install_page()
    if node:
        address, *own = node
        key = (int(own[0]), bytes.fromhex(Path(own[1]).read_text().strip())) if own else ()
        write_screenshots(address, Path(folder), *key)
        return
    with tempfile.TemporaryDirectory() as place:
        trio.run(of_a_devnet, Path(folder), Path(place) / "devnet")


if __name__ == "__main__":
    main(*sys.argv[1:])
