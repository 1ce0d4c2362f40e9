"""The package of a small market's snapshot beside the keys that its validators signed for contracts."""

from pathlib import Path

from clearing.margin.statement.snapshot import RiskSnapshot
from proofs.epoch.package import read_package
from proofs.onchain.file import epoch_file, sign_keys, write_file
from proofs.onchain.keys import derive_epoch
from tests.kit.proofs import small_market


def written(folder: Path, snapshot: RiskSnapshot) -> tuple[Path, Path]:
    """The package of a snapshot, and its keys with a quorum's signatures."""
    package, keys = folder / "epoch.ccp", folder / "epoch.cco"
    data = small_market.honest(snapshot)
    package.write_bytes(data)
    read = read_package(data)
    seeds = {account.account: bytes([account.account + 1]) * 32 for account in snapshot.accounts}
    derived = derive_epoch(snapshot, seeds, small_market.N)
    time_s = read.header.time_ms // 1000
    shares = [sign_keys(derived.keys, read.validators, i, key, time_s) for i, key in enumerate(small_market.SECRETS)]
    keys.write_bytes(write_file(epoch_file(derived.keys, derived.leaves, time_s, shares)))
    return package, keys
