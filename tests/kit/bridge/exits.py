"""Exit trees over a vault on a real chain, and an escape from it step by step."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from web3 import Web3
from web3.logs import DISCARD

from bridge.contracts.deploy import Deployed
from bridge.contracts.escape import NO_TREE, PAYMENTS_IN_WORD, ExitPlace, VaultTotals, open_exit_call
from clearing.base.hashing import sha256
from clearing.schema.records.exits import ExitKind, ExitLeaf, ExitTotals, ExitTree
from clearing.state.record_opening import RecordOpening
from member.verifying.exits import ExitFile, exit_file
from node.api.proofs import exit_view
from node.epochs.member_files import AccountExit, ExitLeafProof, ExitTotalsProof
from tests.kit.bridge.certified import NEVER, Tree
from tests.kit.bridge.vault_chain import VaultChain, make_header

EPOCH = 3
ALICE, BOB, CAROL = (bytes([letter]) * 20 for letter in (0xA1, 0xB0, 0xCA))


class Exits:
    """The exit of one vault: what its ledger owes, as a tree."""

    def __init__(self, vault: VaultChain) -> None:
        self.vault = vault
        self.leaves: list[ExitLeaf] = []
        self.tree = ExitTree(EPOCH, 1, (), ())

    def owe(
        self, amount: int, to: bytes, number: int, kind: ExitKind = ExitKind.ACCOUNT, at: Deployed | None = None
    ) -> ExitLeaf:
        """Add a payment."""
        token = (at or self.vault.token_at).address
        place = (self.vault.chain.chain_id, self.vault.vault_at.address)
        salt = sha256(bytes([len(self.leaves)]))
        self.leaves.append(ExitLeaf(kind, number, number, *place, token, to, amount, salt, NEVER))
        return self.leaves[-1]

    def owe_withdrawal(self, entry: tuple[Any, ...]) -> ExitLeaf:
        """Add the payment of a withdrawal that was released and not paid."""
        nonce, account, token, to, amount, not_after_s = entry
        leaf = self.owe(amount, to, nonce, ExitKind.WITHDRAWAL)
        self.leaves[-1] = replace(leaf, account=account, token=token, not_after_s=not_after_s)
        return self.leaves[-1]

    def close(self, *tokens: Deployed, cursor: int = 0, withdrawals: int = 0, counted: int | None = None) -> ExitTree:
        """Build the tree, with totals of these tokens, ordered; by default the vault's own deposits are counted."""
        totals = []
        for at in tokens or (self.vault.token_at,):
            own = [leaf for leaf in self.leaves if leaf.token == at.address]
            deposited = self.vault.view("deposited", Web3.to_checksum_address(at.address))
            totals.append(
                ExitTotals(
                    chain_id=self.vault.chain.chain_id,
                    vault=self.vault.vault_at.address,
                    token=at.address,
                    accounts=sum(leaf.amount for leaf in own if leaf.kind is ExitKind.ACCOUNT),
                    seniors=sum(leaf.amount for leaf in own if leaf.kind is not ExitKind.ACCOUNT),
                    counted=deposited if counted is None else counted,
                    deposit_cursor=cursor or self.vault.view("depositNonce"),
                    withdrawals_count=withdrawals,
                )
            )
        self.tree = ExitTree(EPOCH, 1, tuple(sorted(totals, key=lambda entry: entry.at)), tuple(self.leaves))
        return self.tree

    def certify(self, height: int = 1, withdrawals: Tree | None = None, count: int = 0, **changes: Any) -> None:
        """Certify a header of now with the tree's root."""
        stated = {"exit_root": self.tree.root, "time_ms": self.vault.now() * 1000}
        if withdrawals is not None:
            stated |= {"withdrawals_root": withdrawals.root, "withdrawals_count": count}
        self.vault.certified(make_header(self.vault.signers, height, **stated | changes))

    def wait(self, seconds: int) -> None:
        self.vault.chain.rpc("evm_increaseTime", seconds)
        self.vault.chain.mine()

    def trigger(self) -> Any:
        return self.vault.user.send(self.vault.vault.functions.triggerEscape())

    def quarter(self) -> int:
        return int(self.vault.terms.trusting_s // 4)

    def settle(self, *tokens: Deployed) -> None:
        """Let the network be silent, trigger the escape, and open these tokens once it has begun."""
        self.wait(2 * self.quarter() + 2)
        self.trigger()
        self.wait(self.quarter() + 2)
        for index, totals in enumerate(self.tree.totals):
            if not tokens or totals.token in [at.address for at in tokens]:
                self.open(index)

    def settle_without_a_tree(self) -> None:
        """The same where no epoch was certified: all totals are zero."""
        self.wait(2 * self.quarter() + 2)
        self.trigger()
        self.wait(self.quarter() + 2)
        self.open_without_a_tree()

    def open_without_a_tree(self, token: bytes | None = None) -> Any:
        """Open a token, by default the first, where no epoch was certified."""
        return self.vault.call(open_exit_call(token or self.vault.token_at.address, *NO_TREE))

    def begin_payments(self) -> None:
        self.wait(self.quarter() + 2)

    def open(self, index: int = 0, token: bytes | None = None, **lies: Any) -> Any:
        """Open a token, by default that of totals `index`, by these totals."""
        totals = self.tree.totals[index]
        after = self.tree.totals[(index + 1) % len(self.tree.totals)]
        shown = VaultTotals(
            epoch=self.tree.epoch,
            own=totals.at,
            accounts=totals.accounts,
            seniors=totals.seniors,
            counted=totals.counted,
            deposit_cursor=totals.deposit_cursor,
            withdrawals_count=totals.withdrawals_count,
            next=after.at,
        )
        place = ExitPlace(index, self.tree.count, self.tree.proof(index))
        return self.vault.call(open_exit_call(token or totals.token, replace(shown, **lies), place))

    def file(self, account: int) -> ExitFile:
        """An account's exit file, which nobody certified."""
        tree = self.tree
        leaves = tuple(ExitLeafProof(index, leaf, tree.proof(index)) for index, leaf in tree.of_account(account))
        totals = tuple(ExitTotalsProof(index, entry, tree.proof(index)) for index, entry in enumerate(tree.totals))
        opening = RecordOpening(bytes(32), (), (), ())
        own = AccountExit(EPOCH, 1, account, b"", tree.count, tree.root, leaves, totals, opening)
        return exit_file(exit_view(own, EPOCH + 1), b"")

    def place(self, index: int) -> dict[str, Any]:
        return {"index": index, "count": self.tree.count, "path": list(self.tree.proof(index))}

    def claim(self, leaf: ExitLeaf, place: dict[str, Any] | None = None, **lies: Any) -> int:
        """Claim by a leaf: what was paid."""
        return self.claim_at(self.leaves.index(leaf), leaf, place, **lies)

    def claim_at(self, at: int, leaf: ExitLeaf, place: dict[str, Any] | None = None, **lies: Any) -> int:
        """The same by its number among the payments."""
        index = len(self.tree.totals) + at
        given = {
            "salt": leaf.salt,
            "kind": int(leaf.kind),
            "epoch": self.tree.epoch,
            "number": leaf.number,
            "token": Web3.to_checksum_address(leaf.token),
            "to": Web3.to_checksum_address(leaf.to),
            "amount": leaf.amount,
            "account": leaf.account,
            "notAfter": leaf.not_after_s,
        }
        call = self.vault.vault.functions.claimExit(given | lies, place or self.place(index))
        (event,) = self.vault.vault.events.ExitPaid().process_receipt(self.vault.user.send(call), errors=DISCARD)
        return int(event["args"]["amount"])

    def payments(self, word: int = 0) -> list[tuple[Any, ...]]:
        """The vault's payments of a word, in the order in which it made them: nonce, account, token, to, amount."""
        found = [log["args"] for log in self.vault.vault.events.Withdrawn().get_logs(from_block=0)]
        names = ("nonce", "account", "token", "to", "amount")
        return [tuple(args[name] for name in names) for args in found if args["nonce"] // PAYMENTS_IN_WORD == word]

    def show_payments(self, *words: int) -> None:
        """Show all payments of these words, by default of the first."""
        for word in words or (0,):
            self.walk_payments(word, self.payments(word))

    def walk_payments(self, word: int, payments: Sequence[tuple[Any, ...]]) -> Any:
        return self.vault.user.send(self.vault.vault.functions.walkPayments(word, payments))

    def deposits(self) -> list[tuple[Any, ...]]:
        """All of the vault's deposits, in order: token, account, amount, sender, rolling hash after it."""
        found = self.vault.vault.events.Deposited().get_logs(from_block=0)
        return [
            tuple(log["args"][name] for name in ("token", "account", "amount", "from", "depositsHash")) for log in found
        ]

    def walk(self, first: int, last: int | None = None) -> Any:
        """Show deposits number `first` to `last`, by default to the newest."""
        deposits = self.deposits()
        before = deposits[first - 2][4] if first > 1 else bytes(32)
        given = [deposit[:4] for deposit in deposits[first - 1 : last]]
        return self.vault.user.send(self.vault.vault.functions.walkDeposits(before, given))

    def refund(self, nonce: int, **lies: Any) -> int:
        """Refund a deposit: what was paid."""
        given = dict(zip(("token", "account", "amount", "from"), self.deposits()[nonce - 1], strict=False)) | lies
        receipt = self.vault.user.send(self.vault.vault.functions.refundDeposit(nonce, given))
        (event,) = self.vault.vault.events.DepositRefunded().process_receipt(receipt, errors=DISCARD)
        return int(event["args"]["amount"])


def balance(exits: Exits, owner: bytes) -> int:
    """What an owner has of the vault's token."""
    return int(exits.vault.token.functions.balanceOf(Web3.to_checksum_address(owner)).call())


def pay(exits: Exits, height: int, made: Sequence[tuple[tuple[Any, ...], bytes]]) -> Tree:
    """Certify withdrawals beside the snapshot's exit root; pay those not paid."""
    tree = Tree([leaf for _, leaf in made])
    exits.certify(height, tree, len(made))
    for nonce, (entry, _) in enumerate(made):
        if not exits.vault.view("isPaid", nonce):
            exits.vault.withdraw(entry, tree.proof(nonce))
    return tree
