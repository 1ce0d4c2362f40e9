"""The demonstration's story, from the first deposit to the last package.

Rule: every wait is bounded, and its failure names the missing event.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import trio

from bridge.contracts.vault import approve_call, deposit_call, deposit_native_call
from bridge.evm.events import WITHDRAWN
from bridge.evm.hexadecimal import hex_data, read_list, read_object
from bridge.relay.vault_records import LOGS_MAX
from bridge.rpc.endpoint import Endpoint
from clearing.base.codec import u256
from clearing.base.errors import LocalFault
from devnet.chains import MINT, DevnetChain
from devnet.codes import DevnetCode
from devnet.demo.default_bidding import DefaultBidder
from devnet.demo.escape_drill import EscapeDrill, TokenDrill
from devnet.demo.trading import Bidder, Deal, Trading
from devnet.market import hours_file
from devnet.members import DevnetMember, now_ms, signed_withdrawal
from devnet.network import Devnet, wait_ready
from member.client.node_client import NodeClient
from member.codes import NodeCode
from node.oracle.source import HOUR_MS, Schedule, load_hours, write_schedule

T = TypeVar("T")
POLL_SECONDS = 0.2


async def until(what: str, seconds: float, look: Callable[[], Awaitable[T | None]]) -> T:
    """The first result of `look` that is not None. Raises LocalFault STORY_STUCK naming `what` after `seconds`."""
    with trio.move_on_after(seconds):
        while True:
            try:
                found = await look()
            except LocalFault as fault:
                if fault.code is not NodeCode.NODE_UNREACHABLE:
                    raise
                found = None
            if found is not None:
                return found
            await trio.sleep(POLL_SECONDS)
    raise LocalFault(DevnetCode.STORY_STUCK, what, seconds=int(seconds))


USDC = 10**6
WETH = 10**18
MISTYPES, MISTYPED, NO_ACCOUNT = "bob", 3_000 * USDC, 999
"""Who deposits how much for an account that nobody has: the vault refunds it."""


@dataclass(frozen=True, slots=True)
class DevnetDeposit:
    """One deposit: who, on which chain (by position), which token, how many base units, for which account."""

    member: DevnetMember
    chain: int
    symbol: str
    amount: int
    account: int | None = None
    """None: the member's own."""


def _fundings(devnet: Devnet) -> tuple[DevnetDeposit, ...]:
    """Who deposits what. erin brings little. frank deposits on the first chain only, and will be paid on the second.
    bob mistypes the account of one deposit."""
    house, *members = devnet.members
    planned = [
        DevnetDeposit(house, chain, "USDC", devnet.market.house.capital_micros) for chain in range(len(devnet.chains))
    ]
    for member in members:
        if member.name == "erin":
            planned.append(DevnetDeposit(member, 0, "USDC", 17_000 * USDC))
        elif member.name == WRITER:
            planned.append(DevnetDeposit(member, 0, "USDC", WRITER_USDC))
        elif member.name == "frank":
            planned += [DevnetDeposit(member, 0, "USDC", 250_000 * USDC), DevnetDeposit(member, 0, "WETH", 50 * WETH)]
        else:
            first, second = member.id % len(devnet.chains), (member.id + 1) % len(devnet.chains)
            planned += [
                DevnetDeposit(member, first, "USDC", 200_000 * USDC),
                DevnetDeposit(member, second, "WETH", 100 * WETH),
            ]
        if member.name == MISTYPES:
            planned.append(DevnetDeposit(member, 0, "USDC", MISTYPED, NO_ACCOUNT))
    return tuple(planned)


async def deposit_all(devnet: Devnet, planned: tuple[DevnetDeposit, ...]) -> None:
    """Deposit native coin, or mint, approve and deposit, each member in its own order, all at once.

    Raises LocalFault for a reverted call.
    """
    async with trio.open_nursery() as nursery:
        for chain in range(len(devnet.chains)):
            for member in devnet.members:
                mine = [deposit for deposit in planned if deposit.chain == chain and deposit.member is member]
                if mine:
                    nursery.start_soon(_deposit, devnet, chain, member, mine)


async def _deposit(devnet: Devnet, chain: int, member: DevnetMember, planned: list[DevnetDeposit]) -> None:
    wallet, deployed = devnet.wallet(chain, member), devnet.chains[chain].deployed
    native = {token.symbol for token in devnet.market.tokens if token.native}
    pending = []
    for deposit in planned:
        token, amount = deployed.tokens[deposit.symbol], deposit.amount
        account = member.id if deposit.account is None else deposit.account
        calls: tuple[tuple[bytes, bytes, int], ...]
        if deposit.symbol in native:
            calls = ((deployed.vault, deposit_native_call(account), amount),)
        else:
            calls = (
                (token, MINT + member.address.rjust(32, b"\0") + u256(amount), 0),
                (token, approve_call(deployed.vault, amount), 0),
                (deployed.vault, deposit_call(token, amount, account), 0),
            )
        for to, data, value in calls:
            pending.append((f"{member.name} {deposit.symbol}", await wallet.send(to, data, value)))
    for what, transaction in pending:
        await wallet.mined(transaction, what)


CREDIT_SECONDS = PACKAGE_SECONDS = 300
"""Bounds of waits. They are generous: a loaded machine is slow, and a bound costs time only when it expires."""
CATCH_UP_HEIGHTS = 20
KILL_HOUR, RETURN_HOUR, WITHDRAW_HOUR = 16, 24, 30
WRITER, WRITER_USDC, TAKER, PUT = "heidi", 10_200 * USDC, "grace", "BTC-30D-6000-P"
"""Who writes puts on how much money, gets an early call when volatility rises, and buys them back of whom."""
BUY_BACK_SECONDS = 0.2
"""Between two attempts: a block refuses a price that the mark has left."""
RISKY = frozenset(("erin", WRITER))
BIDDERS = ("alice", "carol")
"""They take slices of who is liquidated."""
WITHDRAWN_USDC_MICROS = 5_000_000_000
BESIDE_USDC_MICROS = 100_000_000
"""Of those who withdraw beside frank, so that a relayer claims for several in one transaction."""
BESIDE, BATCHES_TRIED = 2, 5


@dataclass(slots=True)
class StoryRecord:
    """What the story measured, for the report."""

    withdrawal_seconds: float = 0.0
    returned_heights: int = -1
    """Heights after its return at which the restarted validator's root equalled the others'; -1: it never did."""
    package_epoch: int = 0
    package: bytes = b""
    paid_micros: int = 0
    refunded_micros: int = 0
    """Of the mistyped deposit, in its depositor's wallet."""
    escape: tuple[TokenDrill, ...] = ()
    """Of the drill, where it was played."""
    batched_claims: int = 0
    """Withdrawals that one transaction paid at most."""
    deposit_seconds: float = 0.0
    trades_submitted: int = 0


class DevnetStory:
    """Plays on a running devnet. `report` prints the progress."""

    def __init__(self, devnet: Devnet, report: Callable[[str], None]) -> None:
        self._devnet = devnet
        self._report = report
        self.record = StoryRecord()
        self._named = {member.name: member for member in devnet.members}
        self._replay_started = 0.0
        self._hours = len(load_hours(hours_file(devnet.market)))
        self.trading = Trading(
            devnet.network, devnet.genesis, devnet.members, devnet.running_clients, devnet.options.seed
        )

    async def play(self) -> None:
        """The whole story. Raises LocalFault naming the step that did not happen."""
        await self.fund()
        self._report("members open positions")
        await self.trading.open_book()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._trade)
            for name in BIDDERS:
                nursery.start_soon(Bidder(self._devnet, self._named[name]).bid)
                nursery.start_soon(DefaultBidder(self._devnet, self._named[name]).bid)
            self.start_replay()
            nursery.start_soon(self._answer_early_call, self._named[WRITER])
            await self._wait_for_hour(KILL_HOUR)
            name = list(self._devnet.nodes)[-1]
            self._report(f"validator {name} is killed")
            await self._devnet.nodes[name].kill()
            await self._wait_for_hour(RETURN_HOUR)
            self._report(f"validator {name} is started again")
            nursery.start_soon(self._bring_back, name)
            await self._wait_for_hour(WITHDRAW_HOUR)
            await self._withdraw_across(self._named["frank"])
            await self._wait_for_refund(self._named[MISTYPES])
            await self._wait_for_hour(self._hours)
            nursery.cancel_scope.deadline = trio.current_time() + CREDIT_SECONDS
            await until("the restarted validator's root", CREDIT_SECONDS, self._is_back)
            nursery.cancel_scope.cancel()
        self.record.trades_submitted = self.trading.submitted
        await self.fetch_package()
        if self._devnet.options.escape:
            self.record.escape = await EscapeDrill(self._devnet, self._report).play()

    async def fund(self) -> None:
        """Deposits, until every one is credited."""
        devnet, started = self._devnet, trio.current_time()
        planned = _fundings(devnet)
        self._report(f"{len(devnet.members)} accounts deposit over {len(devnet.chains)} chains")
        await deposit_all(devnet, planned)
        expected = {chain: sum(deposit.chain == chain for deposit in planned) for chain in range(len(devnet.chains))}

        async def credited() -> bool | None:
            header = await devnet.running_clients()[0].newest_header()
            cursors = {cursor.chain_id: cursor.nonce for cursor in header.deposit_cursors}
            done = all(
                cursors.get(devnet.chains[chain].anvil.chain_id, 0) >= count for chain, count in expected.items()
            )
            return True if done else None

        await until("deposits to be credited", CREDIT_SECONDS, credited)
        self.record.deposit_seconds = trio.current_time() - started
        self._report(f"{len(planned)} deposits are final, attested and credited")

    def start_replay(self) -> None:
        """Let recorded time run."""
        self._report(f"12 March 2020 begins, {self._devnet.options.speed:.0f} times as fast")
        write_schedule(self._devnet.schedule_path, Schedule(start_ms=now_ms(), speed=self._devnet.options.speed))
        self._replay_started = trio.current_time()

    async def fetch_package(self) -> None:
        """The first package whose snapshot is later than everything that was played."""
        heights = [int((await client.state()).height) for client in self._devnet.running_clients()]
        played = max(heights)
        self._report(f"waiting for an epoch after height {played}")

        async def found() -> tuple[int, int, bytes] | None:
            for client in self._devnet.running_clients():
                package = await client.package()
                if package is not None and package[1] >= played:
                    return package
            return None

        self.record.package_epoch, _, self.record.package = await until("an epoch package", PACKAGE_SECONDS, found)

    async def _trade(self) -> None:
        # A node that is killed in mid-request refuses the connection; the next round asks another.
        while True:
            try:
                await self.trading.flow(avoid=RISKY)
            except LocalFault:
                await trio.sleep(0.5)

    async def _wait_for_hour(self, hour: int) -> None:
        """Until recorded time reaches an hour; raises at once when a validator died by itself."""
        at = self._replay_started + hour * HOUR_MS / 1000 / self._devnet.options.speed
        while trio.current_time() < at:
            for node in self._devnet.nodes.values():
                node.check()
            await trio.sleep(min(0.5, max(0.0, at - trio.current_time())))

    async def _answer_early_call(self, member: DevnetMember) -> None:
        """Wait for the member's first call, and buy the written puts back. Acting on an early call prevents a call."""
        called = False
        while True:
            try:
                async with self._devnet.client_of(member) as client:
                    account = await client.account(member.id)
                if account.calls and not called:
                    called, call = True, account.calls[0]
                    kind = "an early" if call.kind == "early" else f"a {call.kind}"
                    self._report(f"{member.name} gets {kind} call at height {call.opened_height}")
                short = sum(-int(position.lots) for position in account.positions if position.name == PUT)
                if called and short <= 0:
                    self._report(f"{member.name} has bought its puts back")
                    return
                if called:
                    await self.trading.deal(Deal(PUT, member.name, TAKER, short))
            except LocalFault:
                pass
            await trio.sleep(BUY_BACK_SECONDS if called else POLL_SECONDS)

    async def _bring_back(self, name: str) -> None:
        devnet = self._devnet
        await devnet.nodes[name].start()
        await wait_ready(devnet, name)
        back = int((await devnet.clients[name].state()).height)
        self._report(f"validator {name} is back at height {back}")
        other = next(client for other_name, client in devnet.clients.items() if other_name != name)
        for height in range(back, back + CATCH_UP_HEIGHTS + 1):
            own = await _root_at(devnet.clients[name], height)
            if own == await _root_at(other, height):
                self.record.returned_heights = height - back
                return

    async def _is_back(self) -> bool | None:
        return True if self.record.returned_heights >= 0 else None

    async def _withdraw_across(self, member: DevnetMember) -> None:
        """Request USDC on the last chain, where this member never deposited, and wait until its wallet has it. Others
        request some beside it, until a relayer has claimed for several in one transaction."""
        devnet, started = self._devnet, trio.current_time()
        chain = devnet.chains[-1]
        wallet = devnet.wallet(len(devnet.chains) - 1, member)
        token = chain.deployed.tokens["USDC"]
        self._report(f"{member.name} withdraws 5,000 USDC on {chain.deployed.name}, having deposited elsewhere")
        await self._request(chain, [(member, WITHDRAWN_USDC_MICROS), *await self._beside(member)])

        async def paid() -> int | None:
            return await wallet.token_balance(token) or None

        self.record.paid_micros = await until("the vault to pay", CREDIT_SECONDS, paid)
        self.record.withdrawal_seconds = trio.current_time() - started
        self._report(f"the vault on {chain.deployed.name} has paid {member.name}")
        for _ in range(BATCHES_TRIED):
            await self._until_all_paid(chain)
            self.record.batched_claims = await largest_batch(devnet.endpoints[-1], chain.deployed.vault)
            if self.record.batched_claims > 1:
                self._report(f"one transaction has paid {self.record.batched_claims} withdrawals")
                return
            # They fell into two blocks, and the relayer was quick.
            await self._request(chain, await self._beside(member))

    async def _beside(self, member: DevnetMember) -> list[tuple[DevnetMember, int]]:
        """Those with the most free equity, who bid for nothing, and what they withdraw."""
        free = {}
        for other in self._devnet.members[1:]:
            if other is not member and other.name not in BIDDERS:
                async with self._devnet.client_of(other) as client:
                    margin = await client.account(other.id)
                free[other.name] = int(margin.equity_micros) - int(margin.initial_margin_micros)
        chosen = sorted(free, key=lambda name: (-free[name], name))[:BESIDE]
        return [(self._named[name], BESIDE_USDC_MICROS) for name in chosen]

    async def _request(self, chain: DevnetChain, wanted: list[tuple[DevnetMember, int]]) -> None:
        """Withdrawals of USDC, submitted together. Raises LocalFault SUBMISSION_REFUSED."""
        devnet, requests = self._devnet, []
        place = (chain.anvil.chain_id, chain.deployed.tokens["USDC"])
        asset = next(asset.id for asset in devnet.genesis.assets if (asset.chain_id, asset.token) == place)
        for member, micros in wanted:
            async with devnet.client_of(member) as client:
                nonce = (await client.account(member.id)).next_nonce
            requests.append(signed_withdrawal(devnet.network, member, asset, micros, nonce, now_ms()))
        for result in (await devnet.running_clients()[0].submit(tuple(requests))).results:
            if result.problem is not None:
                raise LocalFault(DevnetCode.SUBMISSION_REFUSED, "withdrawal", message=result.problem.message)

    async def _until_all_paid(self, chain: DevnetChain) -> None:
        """Until the vault has paid every withdrawal that was released on its chain."""

        async def paid() -> bool | None:
            for member in self._devnet.members[1:]:
                async with self._devnet.client_of(member) as client:
                    released = (await client.withdrawals(member.id)).released
                if any(withdrawal.chain_id == chain.anvil.chain_id for withdrawal in released):
                    return None
            return True

        await until("all withdrawals to be paid", CREDIT_SECONDS, paid)

    async def _wait_for_refund(self, member: DevnetMember) -> None:
        """Until the vault has paid back the deposit whose account was mistyped."""
        wallet, token = self._devnet.wallet(0, member), self._devnet.chains[0].deployed.tokens["USDC"]

        async def refunded() -> int | None:
            balance = await wallet.token_balance(token)
            return balance if balance >= MISTYPED else None

        self.record.refunded_micros = await until("the vault to refund a deposit", CREDIT_SECONDS, refunded)
        self._report(
            f"the vault on {self._devnet.chains[0].deployed.name} has refunded {member.name}'s mistyped deposit"
        )


async def largest_batch(endpoint: Endpoint, vault: bytes) -> int:
    """How many withdrawals one transaction paid at most."""
    wanted = {"address": hex_data(vault), "topics": [hex_data(WITHDRAWN)], "fromBlock": "0x0"}
    logs = read_list(await endpoint.call("eth_getLogs", wanted), "eth_getLogs", LOGS_MAX)
    paid = Counter(str(read_object(log, "log").get("transactionHash")) for log in logs)
    return max(paid.values(), default=0)


async def _root_at(client: NodeClient, height: int) -> str:
    """A node's state root at a height, once it has it."""

    async def look() -> str | None:
        state = await client.state()
        return (await client.header(height)).state_root if state.height >= height else None

    return await until(f"height {height}", CREDIT_SECONDS, look)
