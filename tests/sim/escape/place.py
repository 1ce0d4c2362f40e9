"""The vault of the stories on its chain: deployed once, put back after each story, and called by calldata alone.

Rule: a call is one request and its receipt another, because a story makes hundreds of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode

from bridge.contracts.deploy import Deployed
from bridge.contracts.vault import selector
from clearing.base.codec import u256
from clearing.base.hashing import keccak256
from devnet.anvil import Anvil
from devnet.genesis import DEVNET_BALANCES
from tests.kit.bridge.vault_chain import FOUR, UNIT, ChainUser, VaultChain
from tests.kit.chains import put_back
from tests.kit.until import patiently
from tests.sim.escape.ledger import OWNERS

DEPOSIT = selector("deposit(address,uint256,uint64)")
DEPOSITED = keccak256(b"Deposited(uint64,address,uint64,uint256,address,bytes32)")
WITHDRAWN = keccak256(b"Withdrawn(uint64,address,address,uint64,uint256)")
EXIT_PAID = keccak256(b"ExitPaid(uint256,address,address,uint256)")
DEPOSIT_REFUNDED = keccak256(b"DepositRefunded(uint64,address,address,uint256)")


@dataclass(frozen=True)
class Event:
    """One log: its topics after the first, and its data, in words."""

    topics: tuple[bytes, ...]
    words: tuple[bytes, ...]


class Place:
    """A chain with a vault, and depositors who have its tokens."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.vault = VaultChain(chain, FOUR)
        self.at = self.vault.vault.address
        self.tokens = tuple(at.address for at in (self.vault.token_at, self.vault.other_at, self.vault.moody_at))
        self.senders = {owner: ChainUser(chain, bytes([0x50 + owner]) * 32) for owner in OWNERS}
        for user in self.senders.values():
            self._enrich(user)

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """What is done inside, and the time that passes, are taken back. May be nested."""
        time = self.vault.now()
        with put_back(self.chain):
            yield
        self.chain.rpc("anvil_setTime", time)

    def send(self, data: bytes, event: bytes, sender: str = "") -> list[Event]:
        """Mine a call of the vault: its events of one kind. Raises Refused."""
        transaction = {"from": sender or self.vault.user.address, "to": self.at, "data": "0x" + data.hex()}
        transaction |= {"gas": hex(4_000_000), "value": "0x0"}
        receipt = self.receipt(self.chain.rpc("eth_sendTransaction", transaction))
        if receipt["status"] != "0x1":
            raise self.vault.user.why(transaction)
        return events_of(receipt["logs"], event)

    def receipt(self, transaction: str) -> dict[str, Any]:
        """Of a transaction that was sent, once it is mined."""
        for _ in patiently("a transaction to be mined"):
            found: dict[str, Any] | None = self.chain.rpc("eth_getTransactionReceipt", transaction)
            if found is not None:
                return found
        raise AssertionError

    def deposit(self, owner: int, account: int, token: bytes, amount: int) -> tuple[bytes, int, bytes]:
        """The sender, what was credited, and the rolling hash after it."""
        user = self.senders[owner]
        data = DEPOSIT + encode(("address", "uint256", "uint64"), (token, amount, account))
        (event,) = self.send(data, DEPOSITED, user.address)
        return bytes.fromhex(user.address[2:]), int.from_bytes(event.words[0], "big"), event.words[2]

    def take_from_vault(self, token: bytes, amount: int) -> None:
        """The token takes this out of the vault by itself."""
        key = keccak256(self.vault.vault_at.address.rjust(32, b"\0") + u256(DEVNET_BALANCES))
        left = self.vault.balance(token) - amount
        self.chain.rpc("anvil_setStorageAt", "0x" + token.hex(), "0x" + key.hex(), "0x" + u256(left).hex())

    def _enrich(self, user: ChainUser) -> None:
        for address in self.tokens:
            token = user.contract("TestToken", Deployed(address, 0))
            user.send(token.functions.mint(user.address, 10**6 * UNIT))
            user.send(token.functions.approve(self.at, 2**256 - 1))


def events_of(logs: list[dict[str, Any]], kind: bytes) -> list[Event]:
    """The logs of one kind, as the chain gives them."""
    found = []
    for log in logs:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        data = bytes.fromhex(log["data"][2:])
        if topics[0] == kind:
            found.append(Event(tuple(topics[1:]), tuple(data[at : at + 32] for at in range(0, len(data), 32))))
    return found
