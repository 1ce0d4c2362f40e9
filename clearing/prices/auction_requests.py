"""What members sign in a reopening auction: one order for each account and perpetual.

Rule: data and digest only. An order names an account whose nonce it uses up, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import I64, U32, U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

ORDER_TYPE = "ReopeningOrder(uint64 account,uint32 instrument,int64 lots,uint64 ticks,uint64 nonce,uint64 notAfterMs)"


class ReopeningOrder(Wire, frozen=True, tag=30):
    """Buy (positive lots) or sell (negative) a perpetual when its halted feed reopens, at `ticks` or better.

    Takes the place of the account's earlier order; zero lots withdraw it.
    """

    account: U63
    instrument: U32
    lots: I64
    ticks: U63
    """The most that is paid, or the least that is taken; all trade at one price."""
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's member signs."""
        words = (self.account, self.instrument, self.lots, self.ticks, self.nonce, self.not_after_ms)
        return eip712.digest(network, ORDER_TYPE, words)
