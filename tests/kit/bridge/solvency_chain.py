"""A solvency verifier beside a vault on a real chain, whose validators certify epoch keys."""

from typing import Any

from bridge.contracts.deploy import deploy_solvency_verifier
from clearing.base import bls
from clearing.base.certificate import signer_bitmap
from proofs.onchain.keys import EpochKeys, certified_digest
from tests.kit.bridge.vault_chain import USER, Signers, VaultChain
from tests.kit.proofs.onchain_epoch import Epoch


class SolvencyChain:
    """`SolvencyVerifier` that follows the vault's set."""

    def __init__(self, vault: VaultChain) -> None:
        self.vault = vault
        self.at = deploy_solvency_verifier(vault.user.web3, USER, vault.vault_at.address)
        self.contract = vault.user.contract("SolvencyVerifier", self.at)

    def certify(
        self,
        keys: EpochKeys,
        indices: tuple[int, ...] = (0, 1, 2),
        signers: Signers | None = None,
        words: bytes | None = None,
        digest: bytes | None = None,
    ) -> Any:
        signers = signers or self.vault.signers
        digest = digest or certified_digest(keys, signers.validators.hash)
        total = bls.aggregate([bls.sign(signers.secrets[index], digest) for index in indices])
        bitmap = int.from_bytes(signer_bitmap(indices), "big")
        shown = keys.words if words is None else words
        return self.vault.user.send(self.contract.functions.certify(shown, (bitmap, bls.signature_coordinates(total))))

    def show(self, epoch: Epoch, index: int, proof: bytes, **changes: Any) -> Any:
        """Mine `show`; parts may be replaced by name: words, leaf, place, path, proof."""
        arguments = {
            "words": epoch.keys.words,
            "leaf": epoch.leaves[index].words,
            "place": index,
            "path": list(epoch.path(index)),
            "proof": proof,
        } | changes
        return self.vault.user.send(self.contract.functions.show(*arguments.values()))

    def shown(self, receipt: Any) -> tuple[int, int, int]:
        """(epoch, account, shortfall) that the log tells."""
        (event,) = self.contract.events.Solvent().process_receipt(receipt)
        return event["args"]["epoch"], event["args"]["account"], event["args"]["shortfall"]
