"""What members sign about the default fund: a contribution.

Rule: data and digests only. It names an account whose nonce it uses up, so it is applied at most once.
"""

from clearing.base import eip712
from clearing.base.codec import U63, Bytes65, Wire
from clearing.base.ids import Hash32, NetworkId

CONTRIBUTION_TYPE = "FundContribution(uint64 account,uint64 micros,uint64 nonce,uint64 notAfterMs)"


class FundContribution(Wire, frozen=True, tag=60):
    """Pay what the member has to contribute, or a part of it, out of one of its own accounts."""

    account: U63
    micros: U63
    nonce: U63
    not_after_ms: U63
    signature: Bytes65

    def digest(self, network: NetworkId) -> Hash32:
        """What whoever may move the account's money signs."""
        return eip712.digest(network, CONTRIBUTION_TYPE, (self.account, self.micros, self.nonce, self.not_after_ms))
