"""A member's day in a real browser, against real nodes and chains: pay in, trade, read the margin, withdraw, survive a
margin call, verify."""

from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from clearing.base.codec import u256
from devnet.chains import MINT
from devnet.demo.story import USDC, DevnetDeposit
from devnet.market import Market, load_market
from devnet.members import DevnetMember, now_ms
from devnet.network import Devnet, running_devnet
from devnet.options import DevnetOptions
from devnet.toolchain import install_browser, install_client, install_page
from node.oracle.source import HOUR_MS, Schedule, write_schedule
from tests.kit.e2e.live import all_proven, deposit
from tests.kit.member.driven_page import Scene, Step, drive, signed_in

pytestmark = [pytest.mark.network, pytest.mark.chain]
CAPITAL = 500_000 * USDC
PAID_IN, LOTS, TAKEN_OUT, ANSWER = "2000", "800", "10", "4000"
BEFORE, AFTER, SPEED = "7934.57", "7100.00", 180.0
"""The fall takes 20 seconds. With these lots the member is then below maintenance margin, and above half of it."""
CRASH_PERCENT = (-15, -15)
CALL_BLOCKS = 3_000
MINTED = 10_000 * USDC


async def test_a_member_pays_in_trades_withdraws_to_another_chain_survives_a_call_and_verifies(
    anvil_binary: Path, tmp_path: Path
) -> None:
    install_browser()
    install_client()
    install_page()
    async with running_devnet(
        DevnetOptions(output_dir=tmp_path / "devnet", members=4, market=market_with_one_fall(tmp_path / "prices"))
    ) as devnet:
        house, other, *_, own = devnet.members
        await deposit(
            devnet, tuple(DevnetDeposit(each, chain, "USDC", CAPITAL) for each in (house, other) for chain in (0, 1))
        )
        await fill(devnet, own)
        paid = await play(devnet, own, paying_in())
        assert paid.notes[-1] in EQUITIES
        proposed = await play(devnet, own, await proposing(other, devnet))
        await play(devnet, other, confirming(proposed.notes[-1]))
        await play(devnet, own, reading_the_margin())
        await play(devnet, own, withdrawing(own, devnet))
        write_schedule(devnet.schedule_path, Schedule(start_ms=now_ms(), speed=SPEED))
        await play(devnet, own, answering_the_call())
        await all_proven(devnet)
        verified = await play(devnet, own, verifying(devnet))
        assert "accounts meet their maintenance requirement" in verified.notes[-1]


EQUITIES = ("2,000.00", "1,500.00")
"""Before and after the default fund has called its 500."""


async def fill(devnet: Devnet, member: DevnetMember) -> None:
    """Tokens for the wallet: anybody may mint a devnet's."""
    token, wallet = devnet.chains[0].deployed.tokens["USDC"], devnet.wallet(0, member)
    await wallet.mined(await wallet.send(token, MINT + member.address.rjust(32, b"\0") + u256(MINTED)), "mint")


async def play(devnet: Devnet, member: DevnetMember, steps: list[Step]) -> Scene:
    """As the member, whose wallet the browser has."""
    chains = {str(chain.anvil.chain_id): chain.anvil.url for chain in devnet.chains}
    scene = {
        "wallet": {"address": "0x" + member.address.hex(), "chains": chains},
        "steps": [*signed_in(member.id, member.secret), *steps],
    }
    (shown,) = await trio.to_thread.run_sync(partial(drive, devnet.url(next(iter(devnet.nodes))), scene))
    assert shown.complaints == []
    assert len(shown.requests) == 1, "the page asks the node alone"
    return shown


def asset(devnet: Devnet, chain: int) -> str:
    name = f"USDC@{devnet.chains[chain].deployed.name}"
    return next(str(each.id) for each in devnet.genesis.assets if each.name == name)


def paying_in() -> list[Step]:
    form: list[Step] = [["fill", "#d-amount", PAID_IN], ["click", "form:has(#d-amount) button"]]
    return [
        *form,
        ["see", "#deposit-outcome", "credited"],
        ["see", "#equity", "^(2,000|1,500)\\.00$"],
        ["text", "#equity"],
    ]


async def proposing(other: DevnetMember, devnet: Devnet) -> list[Step]:
    """At the mark: a tick of the devnet is a cent."""
    instrument = devnet.genesis.instruments[0].id
    marks = (await devnet.running_clients()[0].state()).marks
    ticks = int(next(each.mark_ticks for each in marks if each.instrument == instrument))
    fields = {"#t-other": str(other.id), "#t-lots": LOTS, "#t-price": f"{ticks / 100:.2f}"}
    form: list[Step] = [["choose", "#t-instrument", str(instrument)], *(["fill", *each] for each in fields.items())]
    return [*form, ["click", "button:has-text('Sign the proposal')"], ["value", "#t-proposal"]]


def confirming(proposal: str) -> list[Step]:
    form: list[Step] = [["fill", "#t-confirm", proposal], ["click", "form:has(#t-confirm) button"]]
    return [*form, ["see", "#trade-outcome", "Done in block"]]


def reading_the_margin() -> list[Step]:
    what_if: list[Step] = [["fill", "#if-lots", "100000"], ["click", "button:has-text('Simulate')"]]
    return [
        ["see", "td", "BTC-PERP"],
        ["see", "summary", "group loss"],
        *what_if,
        ["see", "#simulated", "would be below"],
    ]


def withdrawing(own: DevnetMember, devnet: Devnet) -> list[Step]:
    fields = {"#w-amount": TAKEN_OUT, "#w-to": "0x" + own.address.hex()}
    form: list[Step] = [["choose", "#w-asset", asset(devnet, 1)], *(["fill", *each] for each in fields.items())]
    send: list[Step] = [["click", "form:has(#w-to) button"], ["see", "#withdraw-outcome", "Done in block"]]
    return [*form, *send, ["see", "td", "^paid$"]]


def market_with_one_fall(folder: Path) -> Market:
    """The devnet's, with prices that fall by a tenth in one recorded hour and then stand still, and with time for a
    person to answer a call. The fund is sized for a smaller crash: what it calls for is not this day's subject."""
    folder.mkdir()
    rows = ["unix,btc_open,btc_close,eth_open,eth_close", f"0,{BEFORE},{AFTER},195.00,180.00"]
    rows += [f"{HOUR_MS // 1000 * at},{AFTER},{AFTER},180.00,180.00" for at in range(1, 48)]
    (folder / "hours.csv").write_text("\n".join(rows) + "\n")
    market = load_market()
    crash = msgspec.structs.replace(market.risk.stress[0], moves_percent=CRASH_PERCENT)
    calls = market.crisis["calls"] | {"deadline_blocks": CALL_BLOCKS}
    return msgspec.structs.replace(
        market,
        hours=str(folder / "hours.csv"),
        risk=msgspec.structs.replace(market.risk, stress=(crash, *market.risk.stress[1:])),
        crisis=market.crisis | {"calls": calls},
    )


def answering_the_call() -> list[Step]:
    """The member is called, sees what is missing, and pays it in; then nothing is called any more."""
    form: list[Step] = [["fill", "#d-amount", ANSWER], ["click", "form:has(#d-amount) button"]]
    return [
        ["see", "#calls", "Margin call.*Bring"],
        *form,
        ["see", "#deposit-outcome", "credited"],
        ["see", "td", "^call met$"],
    ]


def verifying(devnet: Devnet) -> list[Step]:
    there: list[Step] = [["click", "nav a:has-text('Solvency')"], ["see", "button", "Verify"]]
    check: list[Step] = [
        ["click", "button[aria-label^='Verify epoch']"],
        ["see", "h2", ": VERIFIED"],
        ["text", "#claim"],
    ]
    return [*there, ["files", "#genesis", str(devnet.testnet.genesis_path)], *check]
