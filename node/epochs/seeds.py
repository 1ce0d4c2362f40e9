"""`AccountSeeds`: the seed of each account's commitment at each epoch, as all validators find it.

Rule: an account has a root seed: the one that its owner chose and sealed, or one out of the network's seed. Its seed
of an epoch follows one-way from the root (`proofs.algebra.commitment.epoch_seed`), and only that is ever given out: it
opens no other epoch.
"""

from clearing.base.hashing import tagged_hash
from clearing.margin.statement.snapshot import RiskSnapshot
from member.signing.sealed_seeds import open_sealed_seed
from member.signing.sealed_seeds import seal_key as seal_key_of
from proofs.algebra.commitment import epoch_seed

ROOT_TAG = "crossclear/account-seed/v1"


def root_seed(network_seed: bytes, account: int, sealed: bytes = b"") -> bytes:
    """The 32-byte root: what the owner sealed, or what follows from the network's seed where that opens to nothing."""
    chosen = open_sealed_seed(sealed, account, network_seed)
    return tagged_hash(ROOT_TAG, network_seed, account.to_bytes(8, "big")) if chosen is None else chosen


class AccountSeeds:
    """Seeds out of the network's seed."""

    def __init__(self, network_seed: bytes) -> None:
        self._network_seed = network_seed

    @property
    def seal_key(self) -> bytes:
        """The X25519 public key for which owners seal seeds that they choose."""
        return seal_key_of(self._network_seed)

    def at(self, account: int, epoch: int, sealed: bytes = b"") -> bytes:
        """The 32-byte seed of an account at an epoch whose snapshot has this sealed seed of it."""
        return epoch_seed(root_seed(self._network_seed, account, sealed), account, epoch)

    def of(self, snapshot: RiskSnapshot) -> dict[int, bytes]:
        """The seeds of all accounts of a snapshot at its epoch."""
        epoch = snapshot.statement.epoch
        return {each.account: self.at(each.account, epoch, each.sealed_seed) for each in snapshot.accounts}
