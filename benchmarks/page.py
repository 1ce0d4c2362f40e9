"""What the page costs its reader: bytes, time until something is there, time to verify, and memory over hours.

In a headless Chromium on this machine, over an API that streams two heights a second to a signed-in
member. Run:
python -m benchmarks.page [minutes]
"""

import statistics
from typing import Any

from benchmarks.figures import Figure, print_measured
from devnet.toolchain import install_browser, install_client, install_page
from tests.kit.clearing.genesis import ALICE
from tests.kit.clearing.signer import secret
from tests.kit.member.driven_page import Step, drive, signed_in, view
from tests.kit.member.page_view import RisingView, now_ms
from tests.kit.node.served_api import served_api

LOADS, MINUTES = 7, 60
MINUTE_MS = 60_000
EPOCH = 4
"""Of the package that is verified."""
WARM_MINUTES = 2
"""After these the page has seen every question once, and its history is not full yet."""
MIB = 1 << 20


def figures(*, quick: bool = False) -> list[Figure]:
    """Of a page that is open for an hour, or for a minute."""
    return measured(1 if quick else MINUTES)


def measured(minutes: int, minute_ms: int = MINUTE_MS) -> list[Figure]:
    """Of a page that is open for so many minutes beyond the first ones. `minute_ms`: less, to see that it works."""
    install_browser()
    install_client()
    install_page()
    loads: list[list[Step]] = [[*view("network"), ["paint"]]] * LOADS
    checking: list[Step] = [["fill", "#age", ""], ["click", "button[aria-label^='Verify epoch']"]]
    seconds: Step = ["text", ".figure:has-text('Checked in') dd"]
    verify: list[Step] = [*view("solvency"), *checking, ["see", "h2", "VERIFIED"], seconds]
    to_network: list[Step] = [["click", "nav a:has-text('Network')"], ["see", "h2", "Newest height"]]
    minute: list[Step] = [["wait", minute_ms], ["memory"]]
    long: list[Step] = [*signed_in(ALICE, secret(1)), *to_network, *minute * (WARM_MINUTES + minutes)]
    rising = RisingView(first=EPOCH)
    with served_api(rising, now_ms, rising.rising, requests_burst=100_000, requests_per_second=10_000) as url:
        *opened, checked, lasted = drive(url, *loads, verify, long)
    paints = [scene.notes[-1] for scene in opened]
    sizes = opened[0].bytes
    first = sum(size for address, size in sizes.items() if "/page/" in address or address.endswith("/"))
    verifier = next(size for address, size in checked.bytes.items() if "worker" in address)
    heaps: list[Any] = [note for note in lasted.notes if isinstance(note, int)]
    warm, end = heaps[WARM_MINUTES - 1] / MIB, statistics.median(heaps[-3:]) / MIB
    return [
        Figure("first view, compressed", first / 1000, "kB", goal="< 300"),
        Figure("verifier, compressed, loaded when it is needed", verifier / 1000, "kB"),
        Figure("first paint on loopback", statistics.median(paints), "ms", min(paints), max(paints), goal="< 1000"),
        Figure("a package of every part verified", float(checked.notes[-1].split()[0]), "s"),
        Figure(f"heap after {WARM_MINUTES} minutes", warm, "MiB"),
        Figure(f"heap after {WARM_MINUTES + minutes} minutes, of the last three", end, "MiB"),
    ]


if __name__ == "__main__":
    print_measured(measured, MINUTES)
