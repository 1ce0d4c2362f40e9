"""A devnet member that bids for slices of accounts in liquidation.

Rule: it asks a node what is for sale, as any member can, and bids for every sale once for each of its stages; whether a
bid is filled the receipts tell. A node that cannot be asked is asked again later.
"""

from dataclasses import dataclass

import msgspec
import trio

from clearing.base import secp256k1
from clearing.base.errors import LocalFault
from clearing.base.units import PPM
from clearing.liquidation.requests import LiquidationBid
from node.api.crisis_shapes import SliceSale
from node.client import NodeClient
from node.devnet.members import REQUEST_VALID_MS, UNSIGNED, DevnetMember
from node.devnet.network import Devnet
from node.devnet.trading import now_ms

LOOK_SECONDS = 0.3
PPB = 10**9
LEAST_DISCOUNT_PPM = 2_000
"""Nobody takes a falling position at the mark."""


@dataclass(slots=True)
class Bidder:
    """Bids in one member's name."""

    devnet: Devnet
    member: DevnetMember
    submitted: int = 0

    async def bid(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self.devnet.client_of(self.member) as client:
                    for sale in (await client.liquidations()).sales:
                        await self._bid(client, sale)
            except LocalFault:
                pass
            await trio.sleep(LOOK_SECONDS)

    async def _bid(self, client: NodeClient, sale: SliceSale) -> None:
        """For half of what may be taken at once, so that others have theirs."""
        if sale.discount_ppm < LEAST_DISCOUNT_PPM:
            return
        account = await client.account(self.member.id)
        bare = LiquidationBid(
            account=self.member.id,
            liquidated=int(sale.account),
            opened_height=int(sale.opened_height),
            slice_ppb=sale.slice_max_ppm * (PPB // PPM) // 2,
            discount_ppm=LEAST_DISCOUNT_PPM,
            nonce=account.next_nonce,
            not_after_ms=now_ms() + REQUEST_VALID_MS,
            signature=UNSIGNED,
        )
        signature = secp256k1.sign_digest(self.member.secret, bare.digest(self.devnet.network))
        await client.submit((msgspec.structs.replace(bare, signature=signature),))
        self.submitted += 1
