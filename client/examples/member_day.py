"""A member's whole day: sign in, pay in on a chain, trade, read the margin, answer a call, take money out on another
chain, and verify the house.

The chain's wallet is a key of eth-account. The house is verified by `crossclear verify`, which trusts the genesis file
alone. The other side of the trades would be another program. Each line printed is JSON.

    python member_day.py URL --account 1 --key-file KEY --other 2 --other-key-file KEY --wallet-key-file KEY
        --rpc http://127.0.0.1:8545 --pay-in USDC@first:18500 --take-out USDC@second:100 --genesis genesis.json
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx
from eth_account import Account

from crossclear_client import Call, Client, Key, answers, deposit_calls, deposit_number, requests
from crossclear_client.streams import Watch

T = TypeVar("T")
VENUE = 1
"""A label of our own: it is none of the venues of the terms."""
POLL_SECONDS = 0.2
GAS, FEE_WEI = 500_000, 10**10


def say(event: str, **values: object) -> None:
    """One line of the day."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


async def until(question: Callable[[], Awaitable[T]], is_done: Callable[[T], bool]) -> T:
    """The first answer that is one to wait for."""
    async for answer in Watch(question, POLL_SECONDS):
        if is_done(answer):
            break
    return answer


class Wallet:
    """A key on one chain, over JSON-RPC."""

    def __init__(self, rpc: str, secret: bytes) -> None:
        self._rpc, self._key = rpc, Account.from_key(secret)

    @property
    def address(self) -> bytes:
        """Where withdrawals are paid to."""
        return bytes.fromhex(self._key.address[2:])

    async def ask(self, method: str, *params: object) -> Any:
        """The result. Raises RuntimeError with the chain's answer."""
        async with httpx.AsyncClient() as http:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answer = (await http.post(self._rpc, json=body)).json()
        if "error" in answer:
            raise RuntimeError(str(answer["error"])[:300])
        return answer["result"]

    async def send(self, call: Call) -> dict[str, Any]:
        """Sign, send and wait for the receipt."""
        nonce = await self.ask("eth_getTransactionCount", self._key.address, "pending")
        fields = {
            "chainId": int(await self.ask("eth_chainId"), 16),
            "nonce": int(nonce, 16),
            "to": call.to,
            "data": call.data,
            "value": call.value,
            "gas": GAS,
            "maxFeePerGas": FEE_WEI,
            "maxPriorityFeePerGas": 1,
        }
        sent = await self.ask("eth_sendRawTransaction", "0x" + self._key.sign_transaction(fields).raw_transaction.hex())
        receipt = await until(lambda: self.ask("eth_getTransactionReceipt", sent), lambda found: found is not None)
        if receipt["status"] != "0x1":
            raise RuntimeError(f"the chain refused {sent}")
        return dict(receipt)


@dataclass
class MemberDay:
    """One account, and another member's that takes the other side."""

    client: Client
    key: Key
    account: int
    other: int
    other_key: Key
    instrument: int

    async def asset(self, name: str) -> dict[str, Any]:
        """A token as the terms list it."""
        terms = json.loads(await self.client.download("/v1/governance/terms"))
        return next(dict(each) for each in terms["assets"] if each["name"] == name)

    async def pay_in(self, wallet: Wallet, name: str, amount: int) -> None:
        """Deposit whole tokens, and wait until they are credited."""
        asset = await self.asset(name)
        vault, token = (bytes.fromhex(asset[each][2:]) for each in ("vault", "token"))
        units = amount * 10 ** asset["token_decimals"]
        approval, deposit = deposit_calls(vault, token, units, self.account)
        await wallet.send(approval)
        number = deposit_number(await wallet.send(deposit), vault)
        seen = await until(
            lambda: self.client.deposit(asset["chain_id"], asset["vault"], number),
            lambda found: found.status == "credited",
        )
        say("credited", asset=name, number=number, height=seen.height)

    async def trade(self, lots: int) -> None:
        """Buy at the mark, sell for a negative number of lots."""
        marks = (await self.client.state()).marks
        ticks = next(int(each.mark_ticks) for each in marks if each.instrument == self.instrument)
        buyer, seller = (self.account, self.other) if lots > 0 else (self.other, self.account)
        bare = requests.Trade(
            venue=VENUE,
            venue_trade_id=time.time_ns(),
            buyer=buyer,
            seller=seller,
            instrument=self.instrument,
            lots=abs(lots),
            ticks=ticks,
            not_after_ms=self.client.not_after_ms(),
        )
        own, others = ("buyer_signature", "seller_signature") if lots > 0 else ("seller_signature", "buyer_signature")
        request = await self.client.sign(bare, **{own: self.key, others: self.other_key})
        applied = await self.client.settle(request)
        say("traded", lots=lots, ticks=ticks, height=applied.height)

    async def explain(self) -> None:
        """Every term of equity and requirement."""
        view = await self.client.margin(self.account)
        terms = [(each.name, each.of, each.amount_micros) for each in (*view.equity, *view.requirement)]
        say("margin", equity=view.equity_micros, initial=view.initial_margin_micros, terms=terms)

    async def survive_a_call(self, lots: int) -> None:
        """Wait for a call on the stream, and sell so many lots until it is over."""
        say("waiting for a call")
        called: tuple[answers.CallUnderWay, ...] = ()
        while not called:
            async with self.client.follow(f"account:{self.account}", websocket=True) as frames:
                async for frame in frames:
                    if frame.data.get("calls"):
                        break
            called = (await self.client.account(self.account)).calls
        say("called", kind=called[0].kind, deadline_height=called[0].deadline_height)
        await self.trade(-lots)
        view = await until(lambda: self.client.account(self.account), lambda found: not found.calls)
        say("call over", height=view.height, in_liquidation=view.in_liquidation, equity=view.equity_micros)

    async def take_out(self, name: str, amount: int, to: bytes) -> None:
        """Withdraw whole tokens to a chain, and wait until its vault has paid."""
        asset = await self.asset(name)
        decimals = next(each.unit_decimals for each in (await self.client.state()).assets if each.asset == asset["id"])
        request = await self.client.make(
            requests.Withdrawal, self.account, asset=asset["id"], units=amount * 10**decimals, to=to
        )
        applied = await self.client.settle(request)
        say("withdrawal", asset=name, height=applied.height)
        view = await until(
            lambda: self.client.withdrawals(self.account),
            lambda found: any(each.status == "paid" for each in found.ended),
        )
        say("paid", asset=name, height=view.height)

    async def verify(self, verifier: str, genesis: Path) -> bool:
        """Whether the verifier accepts the first package that is newer than now, by the genesis alone."""
        now = (await self.client.state()).height
        page = await until(self.client.proofs, lambda found: any(each.height > now for each in found.packages))
        package = next(each for each in page.packages if each.height > now)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "epoch.ccp"
            path.write_bytes(await self.client.download(f"/v1/proofs/{package.epoch}"))
            command = [*shlex.split(verifier), str(path), "--genesis", str(genesis), "--output", "json"]
            done = await anyio.run_process(command, check=False, stderr=subprocess.PIPE)
        say("verified", epoch=package.epoch, ok=done.returncode == 0)
        return done.returncode == 0


async def play(options: argparse.Namespace) -> int:
    """The day; 0 when the house verifies."""
    key, other_key = (
        Key(bytes.fromhex(path.read_text().strip())) for path in (options.key_file, options.other_key_file)
    )
    wallet = Wallet(options.rpc, bytes.fromhex(options.wallet_key_file.read_text().strip()))
    async with Client(options.url, key) as client:
        day = MemberDay(client, key, options.account, options.other, other_key, options.instrument)
        say("signed in", equity=(await client.account(options.account)).equity_micros)
        await day.pay_in(wallet, *named(options.pay_in))
        await day.trade(options.lots)
        await day.explain()
        await day.survive_a_call(options.lots * 9 // 10)
        await day.take_out(*named(options.take_out), wallet.address)
        return 0 if await day.verify(options.verifier, options.genesis) else 6


def named(text: str) -> tuple[str, int]:
    """`NAME:AMOUNT`."""
    name, _, amount = text.rpartition(":")
    return name, int(amount)


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    for name in ("account", "other"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("key-file", "other-key-file", "wallet-key-file", "genesis"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("rpc", "pay-in", "take-out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--instrument", type=int, default=1)
    parser.add_argument("--lots", type=int, default=4_200, help="to buy; nine tenths are sold when the call comes")
    parser.add_argument("--verifier", default="crossclear verify")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    options = parser.parse_args()
    return anyio.run(play, options, backend=options.backend)


if __name__ == "__main__":
    sys.exit(main())
