"""The example of an outside bridge: a CCIP message with tokens becomes a deposit, or money that can be fetched."""

from collections.abc import Sequence

import pytest
from eth_abi import encode
from web3 import Web3
from web3.logs import DISCARD

from bridge.contracts import load_artifact
from bridge.contracts.deploy import Deployed, deploy
from clearing.base.hashing import keccak256
from tests.kit.bridge.vault_chain import UNIT, USER, ChainUser, VaultChain, address_of, refused

pytestmark = pytest.mark.chain
ROUTER = bytes([0x61]) * 32
OWNER = bytes([0x62]) * 32
MESSAGE = b"\x01" * 32
ETHEREUM_SELECTOR = 5009297550715157269
GAS_MAX = 250_000
"""Of a message with one token, as the page on outside bridges says."""
RECEIVE = "ccipReceive((bytes32,uint64,bytes,bytes,(address,uint256)[]))"


class OutsideBridge:
    """The adapter before a vault. Its router is a key, which first transfers the tokens, as CCIP's router does."""

    def __init__(self, vault: VaultChain) -> None:
        self.vault = vault
        self.router, self.owner = ChainUser(vault.chain, ROUTER), ChainUser(vault.chain, OWNER)
        self.at = deploy(vault.user.web3, USER, "CcipDeposits", vault.vault.address, self.router.address)
        self.adapter = vault.user.contract("CcipDeposits", self.at)

    def deliver(
        self, amounts: Sequence[tuple[Deployed, int]], data: bytes | None = None, by: ChainUser | None = None
    ) -> list[tuple[int, int]]:
        """Transfer the tokens and deliver a message for account 5; (arrived, deposited) of each token."""
        for at, amount in amounts:
            token = self.vault.user.contract("TestToken", at)
            self.vault.user.send(token.functions.transfer(self.adapter.address, amount))
        receipt = self.call(amounts, self.instruction() if data is None else data, by or self.router)
        assert receipt["gasUsed"] < len(amounts) * GAS_MAX
        arrived = self.adapter.events.Arrived().process_receipt(receipt, errors=DISCARD)
        assert all((each["args"]["messageId"], each["args"]["account"]) == (MESSAGE, 5) for each in arrived)
        return [(each["args"]["amount"], each["args"]["deposited"]) for each in arrived]

    def call(self, amounts, data, by):  # the message alone
        tokens = [(Web3.to_checksum_address(at.address), amount) for at, amount in amounts]
        sender = encode(["address"], [self.owner.address])
        return by.send(self.adapter.functions.ccipReceive((MESSAGE, ETHEREUM_SELECTOR, sender, data, tokens)))

    def instruction(self, account: int = 5) -> bytes:
        return encode(["uint64", "address"], [account, self.owner.address])

    def refundable(self, at: Deployed) -> int:
        token = Web3.to_checksum_address(at.address)
        return int(self.adapter.functions.refundable(token, self.owner.address).call())

    def fetch(self, at: Deployed, by: ChainUser | None = None) -> int:
        """Fetch what is kept for the owner; what the owner has then."""
        user = by or self.owner
        user.send(self.adapter.functions.refund(Web3.to_checksum_address(at.address)))
        return int(self.vault.user.contract("TestToken", at).functions.balanceOf(user.address).call())


@pytest.fixture
def bridge(vault: VaultChain) -> OutsideBridge:
    return OutsideBridge(vault)


def test_tokens_of_a_message_are_deposited_for_the_account_that_it_names(bridge: OutsideBridge) -> None:
    before = bridge.vault.view("depositNonce")
    assert bridge.deliver([(bridge.vault.token_at, 7 * UNIT)]) == [(7 * UNIT, 7 * UNIT)]
    assert bridge.vault.view("depositNonce") == before + 1
    assert bridge.vault.balance(bridge.vault.token_at.address) == 7 * UNIT
    assert bridge.refundable(bridge.vault.token_at) == 0


def test_the_router_finds_the_interface_that_it_knows(bridge: OutsideBridge) -> None:
    assert keccak256(RECEIVE.encode())[:4].hex() == "85572ffb"
    for interface, supported in (("85572ffb", True), ("01ffc9a7", True), ("ffffffff", False)):
        assert bridge.adapter.functions.supportsInterface(bytes.fromhex(interface)).call() == supported
    names = [entry["name"] for entry in load_artifact("CcipDeposits").abi if entry["type"] == "function"]
    assert "ccipReceive" in names


def test_nobody_but_the_router_delivers(bridge: OutsideBridge) -> None:
    bridge.deliver([(bridge.vault.token_at, UNIT + 3)])
    assert bridge.refundable(bridge.vault.token_at) == 3
    theft = encode(["uint64", "address"], [9, bridge.vault.user.address])
    assert refused(bridge.call, [(bridge.vault.token_at, 3)], theft, bridge.vault.user) == "NotTheRouter"


def test_a_remainder_below_a_clearing_unit_is_kept_for_its_owner(bridge: OutsideBridge) -> None:
    token = bridge.vault.token_at
    assert bridge.deliver([(token, 2 * UNIT + 1), (token, UNIT - 1)]) == [(2 * UNIT + 1, 2 * UNIT), (UNIT - 1, 0)]
    assert bridge.refundable(token) == UNIT
    assert refused(bridge.fetch, token, bridge.vault.user) == "NothingToRefund"
    assert bridge.fetch(token) == UNIT
    assert refused(bridge.fetch, token) == "NothingToRefund"


def test_what_the_vault_does_not_take_locks_no_money(bridge: OutsideBridge) -> None:
    unlisted = deploy(bridge.vault.user.web3, USER, "TestToken", "Other", "OTHER", 6)
    mint = bridge.vault.user.contract("TestToken", unlisted).functions.mint(address_of(USER), 10 * UNIT)
    bridge.vault.user.send(mint)
    assert bridge.deliver([(unlisted, 10 * UNIT)]) == [(10 * UNIT, 0)]
    assert bridge.fetch(unlisted) == 10 * UNIT
    bridge.vault.guard()
    assert bridge.deliver([(bridge.vault.token_at, 5 * UNIT)]) == [(5 * UNIT, 0)]
    assert bridge.fetch(bridge.vault.token_at) == 5 * UNIT


def test_a_message_takes_nothing_that_is_kept_for_others(bridge: OutsideBridge) -> None:
    """A token that takes a fee transfers less than the message says."""
    bridge.vault.set_mood("ReceiverFee")
    fee = bridge.vault.moody_at
    assert bridge.deliver([(fee, 10)]) == [(10, 0)]
    assert bridge.refundable(fee) == 10
    other = encode(["uint64", "address"], [5, bridge.vault.user.address])
    ((arrived, deposited),) = bridge.deliver([(fee, 100 * UNIT)], other)
    assert arrived == 99 * UNIT
    assert deposited == 99 * UNIT
    assert bridge.vault.user.contract("TestToken", fee).functions.balanceOf(bridge.adapter.address).call() >= 10


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 63, b"\0" * 65, encode(["uint64", "address"], [5, "0x" + "00" * 20])],
    ids=["nothing", "short", "long", "nobody to refund"],
)
def test_a_message_without_an_instruction_reverts_and_its_tokens_stay_with_the_bridge(
    bridge: OutsideBridge, data: bytes
) -> None:
    assert refused(bridge.call, [(bridge.vault.token_at, UNIT)], data, bridge.router) == "BadInstruction"


def test_an_account_beyond_its_range_reverts(bridge: OutsideBridge) -> None:
    data = encode(["uint256", "address"], [2**64, bridge.owner.address])
    assert refused(bridge.call, [(bridge.vault.token_at, UNIT)], data, bridge.router) == "0x"
