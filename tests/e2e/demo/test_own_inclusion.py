"""A member finds exactly its own holdings in the demonstration's package, and sees its withdrawal in the receipts."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from clearing.accounts.commitment_seeds import account_owner
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.withdrawals import WithdrawalConfirmed, WithdrawalReleased
from clearing.state.holdings import current_holdings
from clearing.state.ledger import STRAY_ACCOUNT
from node.agreement.application import DecidedHeight
from node.epochs.seeds import AccountSeeds
from proofs.epoch.package import read_package
from tests.kit.e2e.demo_folder import DemoFolder, command_line

pytestmark = [pytest.mark.network, pytest.mark.chain]


@dataclass(frozen=True)
class History:
    """What replaying one block log tells."""

    holdings: dict[int, dict[str, int]]
    """By account, slot name to amount, after the snapshot's height."""
    owners: dict[int, bytes]
    epoch: int
    credited: list[DepositCredited]
    released: list[WithdrawalReleased]
    confirmed: list[WithdrawalConfirmed]


@pytest.fixture(scope="module")
def history(demo_run: DemoFolder) -> History:
    statement = read_package(demo_run.package.read_bytes()).statement
    names = [slot.name for slot in statement.slots if slot.is_public]
    collected = History({}, {}, statement.epoch, [], [], [])

    def note(decided: DecidedHeight) -> None:
        for receipt in decided.result.receipts:
            if isinstance(receipt, DepositCredited):
                collected.credited.append(receipt)
            elif isinstance(receipt, WithdrawalReleased):
                collected.released.append(receipt)
            elif isinstance(receipt, WithdrawalConfirmed):
                collected.confirmed.append(receipt)
        if decided.header.height == statement.height:
            assert decided.header.state_root == statement.state_root
            for account, _ in decided.state.accounts.ordered():
                held = current_holdings(decided.state, account)
                values = (*held.cash, *held.tokens, *held.lots)
                collected.holdings[account] = dict(zip(names, values, strict=True))
                collected.owners[account] = account_owner(decided.state, account)

    demo_run.replayed(demo_run.block_logs[-1], note)
    return collected


def verified(
    demo_run: DemoFolder, folder: Path, account: int, holdings: dict[str, int], seed: bytes, owner: bytes
) -> tuple[int, dict[str, object]]:
    """Exit code and last check."""
    seed_file, holdings_file = folder / "seed", folder / "holdings.json"
    seed_file.touch(mode=0o600)
    seed_file.write_text(seed.hex() + "\n")
    holdings_file.write_text(json.dumps({name: str(amount) for name, amount in holdings.items() if amount}))
    own = [
        "--account",
        str(account),
        "--owner",
        owner.hex(),
        "--seed-file",
        str(seed_file),
        "--holdings",
        str(holdings_file),
    ]
    anchor = ["--genesis", str(demo_run.genesis_path), "--no-strict", "--output", "json"]
    answer = command_line("verify", str(demo_run.package), *own, *anchor)
    assert answer.stdout, answer.stderr
    return answer.returncode, json.loads(answer.stdout)["checks"][-1]


def test_every_member_finds_exactly_its_own_holdings(demo_run: DemoFolder, history: History, tmp_path: Path) -> None:
    members = [terms.id for member in demo_run.genesis.members for terms in member.accounts]
    assert len(members) == 9
    for account in members:
        seed = AccountSeeds(demo_run.network_seed).at(account, history.epoch)
        code, last = verified(demo_run, tmp_path, account, history.holdings[account], seed, history.owners[account])
        assert (code, last["name"], last["ok"]) == (0, "inclusion", True), (account, last)


def test_a_member_shows_its_account_solvent_by_itself(demo_run: DemoFolder, history: History, tmp_path: Path) -> None:
    seed, holdings, out = tmp_path / "seed", tmp_path / "holdings.json", tmp_path / "mine.ccs"
    seed.touch(mode=0o600)
    seed.write_text(AccountSeeds(demo_run.network_seed).at(6, history.epoch).hex())
    holdings.write_text(json.dumps({name: str(amount) for name, amount in history.holdings[6].items()}))
    own = ["--account", "6", "--owner", history.owners[6].hex(), "--seed-file", str(seed), "--holdings", str(holdings)]
    anchor = ["--genesis", str(demo_run.genesis_path)]
    answer = command_line("proof", "make", str(demo_run.package), *own, *anchor, "--out", str(out))
    assert answer.returncode == 0, answer.stderr
    answer = command_line("proof", "verify", str(out), "--package", str(demo_run.package), *anchor)
    assert answer.returncode == 0, answer.stdout
    assert "account 6 meets its maintenance requirement" in answer.stdout


def test_a_wrong_holding_is_refused_by_inclusion(demo_run: DemoFolder, history: History, tmp_path: Path) -> None:
    account = 6
    seed = AccountSeeds(demo_run.network_seed).at(account, history.epoch)
    own, owner = history.holdings[account], history.owners[account]
    assert any(own.values())
    for name in own:
        wrong = {**own, name: own[name] + 1}
        code, last = verified(demo_run, tmp_path, account, wrong, seed, owner)
        assert (code, last["name"], last["ok"]) == (6, "inclusion", False), name


def test_a_wrong_seed_or_account_is_refused_by_inclusion(
    demo_run: DemoFolder, history: History, tmp_path: Path
) -> None:
    own = history.holdings[6]
    for account, seed_of in ((6, 5), (5, 6), (77, 77)):
        seed = AccountSeeds(demo_run.network_seed).at(seed_of, history.epoch)
        code, last = verified(demo_run, tmp_path, account, own, seed, history.owners[6])
        assert (code, last["name"], last["ok"]) == (6, "inclusion", False)


def test_the_withdrawal_was_paid_on_a_chain_that_its_account_never_deposited_on(history: History) -> None:
    released = {each.nonce: each for each in history.released}
    crossed = [
        released[each.nonce]
        for each in history.confirmed
        if released[each.nonce].account != STRAY_ACCOUNT
        and released[each.nonce].chain_id
        not in {credit.chain_id for credit in history.credited if credit.account == released[each.nonce].account}
    ]
    assert [(each.account, each.units) for each in crossed] == [(6, 5_000_000_000)]
    assert {each.chain_id for each in history.confirmed if each.nonce == crossed[0].nonce} == {crossed[0].chain_id}


def test_each_deposit_was_credited_once(demo_run: DemoFolder, history: History) -> None:
    keys = [(each.chain_id, each.nonce) for each in history.credited]
    assert len(keys) == len(set(keys)) == sum(demo_run.summary["deposits"].values()) == 16
