"""Sealed bids of devnet members for defaulters' portfolios: a commitment in the first phase, its reveal in the second.

Rule: a member bids once for each default, and keeps the bid in its folder until it is revealed. What a block refuses is
sent again while its phase lasts: the member signs other requests, too, and a nonce may be used already.
"""

from dataclasses import dataclass, field
from pathlib import Path

import trio

from clearing.base.errors import LocalFault, RemoteFault
from devnet.members import DevnetMember
from devnet.network import Devnet
from devnet.try_it import trade_key_path
from member.api.receipts import DefaultUnderWay
from member.client.default_bids import place_bid, reveal_bid
from member.client.node_client import NodeClient

LOOK_SECONDS = 0.3
ASK_MICROS = 0
"""Asked for a slice: asks are paid with the defaulter's own money, and in most defaults there is none."""


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
            await self._bid(client, default)

    async def _bid(self, client: NodeClient, default: DefaultUnderWay) -> None:
        number = default.number
        following = (await client.state()).height + 1
        if following > default.auction_height or default.member == self.member.id:
            return
        for sent in (self.committed, self.revealed):
            await _forget_refused(client, sent, number)
        is_reveal = bool(default.reveal_height) and following >= default.reveal_height
        if number not in self.committed and not is_reveal:
            # Half of the portfolio is more than a member's share of it.
            bid = (number, -(-default.slices // 2), ASK_MICROS)
            self.committed[number] = (await place_bid(client, self.home, self.member.id, *bid)).hash
        elif number in self.committed and number not in self.revealed and is_reveal:
            self.revealed[number] = (await reveal_bid(client, self.home, self.member.id, number)).hash


async def _forget_refused(client: NodeClient, sent: dict[int, str], number: int) -> None:
    """Drop what no block applied and none will."""
    hash_ = sent.get(number)
    if hash_ and (await client.transaction(bytes.fromhex(hash_[2:]))).state not in ("pending", "applied"):
        del sent[number]
