"""What members sign about gates: taking back a withdrawal that waits.

Rule: data and digests only. It uses up the account's nonce, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

CANCELLATION_TYPE = "WithdrawalCancellation(uint64 account,uint64 number,uint64 nonce,uint64 notAfterMs)"


class WithdrawalCancellation(Wire, frozen=True, tag=68):
    """Take back the withdrawal that waits under `number`, as its receipt told."""

    account: U63
    number: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What the account's owner signs."""
        return eip712.digest(network, CANCELLATION_TYPE, (self.account, self.number, self.nonce, self.not_after_ms))
