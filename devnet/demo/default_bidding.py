"""Sealed bids of devnet members for defaulters' portfolios: a commitment in the first phase, its reveal in the second.

Rule: a member bids once for each default, and keeps the bid in its folder until it is revealed. What a block refuses is
sent again while its phase lasts: the member signs other requests, too, and a nonce may be used already.
"""

from dataclasses import dataclass, field
from pathlib import Path

import trio

from clearing.base.errors import LocalFault, RemoteFault
from clearing.base.units import PPM
from devnet.members import DevnetMember
from devnet.network import Devnet
from devnet.try_it import trade_key_path
from member.api.receipts import DefaultPage, DefaultUnderWay
from member.api.state import StateView
from member.client.default_bids import place_bid, reveal_bid
from member.client.node_client import NodeClient

LOOK_SECONDS = 0.3
ASK_PPM = 5_000
"""Asked for the whole portfolio, of its notional: half of a per cent."""


@dataclass(slots=True)
class DefaultBidder:
    """Bids in one member's name."""

    devnet: Devnet
    member: DevnetMember
    committed: dict[int, str] = field(default_factory=dict)
    """Number of the default to the hash of the commitment, or of the open bid."""
    revealed: dict[int, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The folder of its bids."""
        return trade_key_path(self.devnet.options.output_dir.resolve(), self.member).parent

    async def bid(self) -> None:
        """Until cancelled. A node that is away, or refuses, is asked again."""
        while True:
            try:
                async with self.devnet.client_of(self.member) as client:
                    await self.look(client)
            except (LocalFault, RemoteFault):
                pass
            await trio.sleep(LOOK_SECONDS)

    async def look(self, client: NodeClient) -> None:
        """Commit or reveal what is due now. Raises LocalFault and RemoteFault as `NodeClient`."""
        page = await client.defaults()
        for default in page.under_way:
            await self._bid(client, page, default)

    async def _bid(self, client: NodeClient, page: DefaultPage, default: DefaultUnderWay) -> None:
        state, number = await client.state(), default.number
        following = state.height + 1
        if following > default.auction_height or default.member == self.member.id:
            return
        for sent in (self.committed, self.revealed):
            await _forget_refused(client, sent, number)
        is_reveal = bool(default.reveal_height) and following >= default.reveal_height
        if number not in self.committed and not is_reveal:
            # For half of the portfolio: a bid of all of it is no competition for others.
            slices, ask = -(-default.slices // 2), slice_ask_micros(state, page, default)
            self.committed[number] = (await place_bid(client, self.home, self.member.id, number, slices, ask)).hash
        elif number in self.committed and number not in self.revealed and is_reveal:
            self.revealed[number] = (await reveal_bid(client, self.home, self.member.id, number)).hash


async def _forget_refused(client: NodeClient, sent: dict[int, str], number: int) -> None:
    """Drop what no block applied and none will."""
    hash_ = sent.get(number)
    if hash_ and (await client.transaction(bytes.fromhex(hash_[2:]))).state not in ("pending", "applied"):
        del sent[number]


def slice_ask_micros(state: StateView, page: DefaultPage, default: DefaultUnderWay) -> int:
    """`ASK_PPM` of a slice's notional at the marks, rounded down."""
    marks = {mark.instrument: int(mark.mark_ticks) for mark in state.marks}
    tick = {listed.instrument: int(listed.micros_per_tick) for listed in page.instruments}
    notional = sum(
        abs(int(position.lots)) * marks.get(position.instrument, 0) * tick[position.instrument]
        for position in default.positions
    )
    return notional * ASK_PPM // PPM // default.slices
