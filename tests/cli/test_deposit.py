"""`crossclear deposit`: an amount of a token in units, paid into a real vault that the terms name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from clearing.initial_state import initial_state
from clearing.schema.terms.genesis import Genesis
from cli.output import ExitCode
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import FOUR, UNIT, USER, VaultChain, address_of
from tests.kit.clearing.genesis import SALT, make_genesis
from tests.kit.node.fake_view import FakeView
from tests.kit.node.live_view import run_against
from tests.kit.node.station import secret_file

pytestmark = pytest.mark.chain
CHAIN_ID = 31337
DECIMALS = 8
"""Of the token: a clearing unit is `UNIT` base units of it."""


@dataclass(frozen=True)
class Place:
    """A vault, and a network whose terms name it."""

    vault: VaultChain
    genesis: Genesis
    folder: Path

    def deposit(self, *words: Any, rpc: str | None = None) -> int:
        wallet = self.folder / "wallet"
        if not wallet.exists():
            secret_file(wallet, USER)
        view = FakeView(initial_state(self.genesis, SALT))
        options = ("--rpc", rpc or self.vault.chain.url, "--payer-file", str(wallet))
        return run_against(view, "deposit", *map(str, words), *options)

    @property
    def paid_in(self) -> int:
        """Base units in the vault."""
        return self.vault.balance(self.vault.token_at.address)

    @property
    def sent(self) -> int:
        """Transactions of the wallet."""
        return int(self.vault.chain.rpc("eth_getTransactionCount", address_of(USER), "latest"), 16)

    def trusted(self, **changes: Any) -> Path:
        """A genesis file whose first token differs by this."""
        first, *others = self.genesis.assets
        assets = (msgspec.structs.replace(first, **changes), *others)
        path = self.folder / "genesis.json"
        path.write_bytes(genesis_to_json(msgspec.structs.replace(self.genesis, assets=assets)))
        return path


@pytest.fixture
def place(anvil: Callable[..., Anvil], tmp_path: Path) -> Place:
    vault, terms = VaultChain(anvil(CHAIN_ID), FOUR), make_genesis()
    at = {"chain_id": CHAIN_ID, "vault": vault.vault_at.address, "token": vault.token_at.address}
    first, second, third = terms.assets
    assets = (
        msgspec.structs.replace(first, name="USDC@base", token_decimals=DECIMALS, **at),
        msgspec.structs.replace(second, name="USDC@other"),
        third,
    )
    chain = msgspec.structs.replace(terms.chains[0], chain_id=CHAIN_ID, name="base", vault=at["vault"])
    chains = (terms.chains[1], chain)
    return Place(vault, msgspec.structs.replace(terms, assets=assets, chains=chains), tmp_path)


def test_a_deposit_is_paid_in_by_the_symbol_of_its_token(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = place.paid_in
    assert place.deposit("0.00025 USDC", "member-1", "--chain", "base") == ExitCode.OK
    assert place.paid_in == before + 250 * UNIT
    said = capsys.readouterr().out
    assert "0.00025 USDC@base paid in on base (chain 31337) for member-1 (account 1)" in said


@pytest.mark.parametrize(
    "words",
    [
        ("0.00025 USDC", "member-1"),
        ("0.000000001 USDC@base", "member-1"),
        ("0.00025 NOTHING", "member-1"),
        ("0.00025 USDC@base", "nobody"),
        ("-1 USDC@base", "member-1"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(place: Place, words: tuple[str, ...]) -> None:
    sent = place.sent
    assert place.deposit(*words) == ExitCode.USAGE
    assert place.sent == sent


def test_nothing_is_sent_on_another_chain_than_the_tokens(
    place: Place, anvil: Callable[..., Anvil], capsys: pytest.CaptureFixture[str]
) -> None:
    other = anvil(CHAIN_ID + 1)
    assert place.deposit("0.00025 USDC@base", 1, rpc=other.url) != ExitCode.OK
    assert "R0605" in capsys.readouterr().err
    assert other.rpc("eth_getTransactionCount", address_of(USER), "latest") == "0x0"


@pytest.mark.parametrize("changes", [{"vault": b"\x66" * 20}, {"token": b"\x66" * 20}, {"token_decimals": 6}])
def test_a_vault_that_the_own_genesis_does_not_name_is_paid_nothing(
    place: Place, changes: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    sent = place.sent
    words = ("0.00025 USDC@base", 1, "--genesis")
    assert place.deposit(*words, place.trusted(**changes)) == ExitCode.SAFETY
    assert "R0968" in capsys.readouterr().err
    assert place.sent == sent
    assert place.deposit(*words, place.trusted()) == ExitCode.OK


def test_waiting_needs_a_key_before_anything_is_paid(place: Place) -> None:
    sent = place.sent
    assert place.deposit("0.00025 USDC@base", 1, "--wait") == ExitCode.USAGE
    assert place.sent == sent
