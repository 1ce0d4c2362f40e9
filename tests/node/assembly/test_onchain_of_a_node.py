"""From a validator's home to a contract that believes an account: the verbs of `crossclear onchain`, on a chain."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
import trio
from eth_account import Account

from bridge.codes import BridgeCode
from bridge.contracts import load_artifact
from bridge.contracts.deploy import (
    VaultAsset,
    VaultTerms,
    connect,
    deploy_solvency_verifier,
    deploy_token,
    deploy_vault,
    deploy_verifier,
)
from bridge.contracts.solvency_verifier import ProvenAccount, keys_of_call
from bridge.relay.solvency_sender import SolvencySender
from bridge.relay.transactions import Sender
from bridge.rpc.endpoint import Endpoint
from clearing.state.holdings import Holdings, current_holdings
from cli.main import run
from devnet.anvil import Anvil
from node.epochs.seeds import AccountSeeds
from proofs.epoch.package import read_package, write_package
from proofs.onchain.file import epoch_file, read_account_file, read_epoch_file, sign_keys, write_file
from tests.kit.bridge.vault_chain import COLD_KEYS
from tests.kit.chains import anvil, anvil_binary
from tests.kit.command_line import CommandLine
from tests.kit.node.keeping_view import FAKE_OWNERS
from tests.kit.node.proving import ProverAtOnce, decide, own_options, write_epochs
from tests.kit.node.recorded import Recorded
from tests.kit.node.station import Home, make_home, new_station, secret_file, time_of
from tests.kit.refusals import refused

__all__ = ["anvil", "anvil_binary"]
KEY = bytes([7]) * 32


def onchain(verb: str, *words: object) -> int:
    """The exit code of a command of `crossclear onchain`."""
    return run(["onchain", verb, *map(str, words)])


@dataclass(frozen=True)
class Written:
    """A validator's home after its first epoch, the epoch's keys in files, and what a member has."""

    home: Home
    folder: Path
    package: list[str]
    anchor: list[str]
    own: list[str]

    @property
    def signed(self) -> Path:
        return self.folder / "signed.cco"

    @property
    def bare(self) -> Path:
        return self.folder / "bare.cco"


@pytest.fixture(scope="module", autouse=True)
def in_time() -> Iterator[None]:
    """The clock of the commands is that of the chain, whose genesis is years old."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("cli.verdict_options.now_ms", lambda: time_of(100))
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("onchain")
    holdings: list[Holdings] = []
    with new_station(folder, ProverAtOnce()) as station:
        log, home = Recorded(station, folder), station.home
        seeds = station.epochs._seeds = AccountSeeds(home.keys.network_seed)
        write_epochs(station, folder, 1, lambda _: holdings.append(current_holdings(station.state, 1)))
        following = decide(station, 1)
        log.write()
    package = folder / "packages" / "epoch-000001.ccp"
    head = {"header": following.block.header, "certificate": following.certificate}
    later = write_package(msgspec.structs.replace(read_package(package.read_bytes()), **head))
    (folder / "later.ccp").write_bytes(later)
    own = own_options(folder, package, seeds.at(1, 1), holdings[0], FAKE_OWNERS[1])
    found = Written(home, folder, ["--package", str(package)], log.genesis_options, own)
    make = [package, "--home", home.path, *found.anchor]
    assert onchain("make", *make, "--out", found.signed) == 0
    assert onchain("make", *make, "--no-sign", "--out", found.bare) == 0
    return found


PAYER = bytes.fromhex(Account.from_key(KEY).address[2:])
VERIFIER = bytes([5]) * 20


def audience(verifier: bytes = VERIFIER, caller: bytes = PAYER) -> list[str]:
    """The options that say for whom a proof is."""
    return ["--chain-id", "31337", "--verifier", verifier.hex(), "--caller", caller.hex(), "--purpose", "ab" * 32]


def prove(written: Written, epoch: Path, out: Path, *own: str, to: Sequence[str] = ()) -> int:
    """The exit code of proving the member's account under an epoch's keys."""
    words = [*written.package, *(own or written.own), *written.anchor, *(to or audience())]
    return onchain("prove", epoch, *words, "--out", out)


@pytest.fixture(scope="module")
def mine(written: Written) -> Path:
    out = written.folder / "mine.cca"
    assert prove(written, written.signed, out) == 0
    return out


def test_a_home_derives_the_keys_that_its_header_certifies(written: Written, cli: CommandLine) -> None:
    report = cli("onchain", "check", written.signed, *written.package, *written.anchor, "--output", "json").json
    assert (report["epoch"], report["certified"], report["signed_power"]) == (1, True, report["total_power"])
    assert report["anchored"] is True
    assert "anybody may have made them" in cli("onchain", "check", written.signed, *written.package).out
    assert "NOT certified" in cli("onchain", "check", written.bare, *written.package, *written.anchor, code=6).out


def test_a_set_that_has_retired_vouches_for_no_keys(written: Written, tmp_path: Path, cli: CommandLine) -> None:
    """A member that proved under keys which it signed could open its digits a second time."""
    later = ["--at", "2099-01-01T00:00:00Z"]
    words = [written.signed, *written.package, *written.anchor]
    assert "R0758" in cli("onchain", "check", *words, *later, code=6).err
    assert "R0758" in cli("onchain", "join", *words, *later, "--out", tmp_path / "joined.cco", code=6).err
    proven = [*words, *written.own, *audience(), "--out", tmp_path / "mine.cca"]
    assert "R0758" in cli("onchain", "prove", *proven, *later, code=6).err
    assert not [*tmp_path.iterdir()]
    cli("onchain", "check", *words, *later, "--set-known-at", later[1])


def test_no_validator_signs_the_time_of_a_later_header(written: Written, tmp_path: Path, cli: CommandLine) -> None:
    """It carries the same commitments, so its package is good: by its time, a contract would take them for younger."""
    package, out = written.folder / "later.ccp", tmp_path / "later.cco"
    assert cli("verify", package, *written.anchor, "--no-strict", "--output", "json").json["ok"]
    make = ["onchain", "make", package, "--home", written.home.path, "--out", out, *written.anchor]
    assert "R0952 later_header" in cli(*make, code=None).err
    assert not out.exists()


def test_signatures_are_joined(written: Written, tmp_path: Path, cli: CommandLine) -> None:
    out, parts = tmp_path / "joined.cco", (written.bare, written.signed)
    cli("onchain", "join", *parts, *written.package, *written.anchor, "--out", out)
    assert out.read_bytes() == written.signed.read_bytes()
    cli("onchain", "join", written.bare, *written.package, "--out", tmp_path / "bare.cco", code=6)


def test_a_member_proves_and_anybody_checks(written: Written, mine: Path, tmp_path: Path, cli: CommandLine) -> None:
    asked = ["onchain", "verify", mine, "--epoch", written.bare]
    report = cli(*asked, "--output", "json", "--allow-open", "certificate").json
    assert (report["epoch"], report["account"], report["shortfall"]) == (1, 1, 0)
    assert prove(written, written.signed, tmp_path / "again.cca") == 0
    assert (tmp_path / "again.cca").read_bytes() == mine.read_bytes()
    for keys, code in ((report["keys"], 0), ("00" * 32, 6), ("00", 2)):
        cli("onchain", "verify", mine, "--keys", keys, code=code)
    cli("onchain", "verify", mine, code=2)


def test_keys_that_only_a_file_states_leave_the_certificate_open(
    written: Written, mine: Path, cli: CommandLine
) -> None:
    """Anybody can make an epoch's file whose keys let any account through: this one nobody signed."""
    asked = ["onchain", "verify", mine, "--epoch", written.bare]
    report = cli(*asked, "--output", "json", code=6).json
    assert (report["ok"], report["certified"], report["anchored"], list(report["open"])) == (
        False,
        False,
        False,
        ["certificate"],
    )
    assert cli(*asked).out.startswith("NOT SHOWN:\n  - certificate: who signed the keys was not checked")
    assert "R0760" in cli(*asked, "--strict", code=6).out
    cli(*asked, *written.anchor, code=2)
    cli("onchain", "verify", mine, "--keys", report["keys"], *written.package, code=2)


def test_with_a_package_the_keys_are_judged_too(written: Written, mine: Path, cli: CommandLine) -> None:
    asked = ["onchain", "verify", mine, "--output", "json", *written.package, "--epoch"]
    checked = cli("onchain", "check", written.signed, *written.package, *written.anchor, "--output", "json").json
    report = cli(*asked, written.signed, *written.anchor).json
    assert (report["ok"], report["certified"], report["anchored"], report["open"]) == (True, True, True, {})
    assert report["attested"] == checked["attested"]
    assert list(cli(*asked, written.signed, code=6).json["open"]) == ["certificate"]
    assert "under_quorum" in cli(*asked, written.bare, *written.anchor, code=6).err


def test_nothing_is_proven_under_keys_that_no_quorum_signed(written: Written, tmp_path: Path, cli: CommandLine) -> None:
    out, package = tmp_path / "none.cca", written.package
    prove = ["onchain", "prove", *package, *audience(), "--out", out]
    assert "under_quorum" in cli(*prove, written.bare, *written.own, *written.anchor, code=6).err
    for lacking in (written.own, written.anchor):
        cli(*prove, written.signed, *lacking, code=2)
    assert not out.exists()


def test_false_keys_are_found_though_a_validator_signed_them(
    written: Written, mine: Path, tmp_path: Path, cli: CommandLine
) -> None:
    epoch = read_epoch_file(written.bare.read_bytes())
    false = msgspec.structs.replace(epoch.keys, constant=bytes(32))
    share = sign_keys(false, written.home.genesis.validators, 0, written.home.keys.validator, epoch.time_s)
    path, out = tmp_path / "false.cco", ["--out", tmp_path / "out"]
    path.write_bytes(write_file(epoch_file(false, epoch.all_leaves, epoch.time_s, [share])))
    for verb, *more in (("check",), ("calldata",), ("prove", *written.own, *audience(), *out)):
        assert "keys_differ" in cli("onchain", verb, path, *written.package, *more, *written.anchor, code=6).err
    cli("onchain", "join", path, written.bare, *written.package, *out, code=6)
    cli("onchain", "verify", mine, "--epoch", path, code=6)


def test_wrong_holdings_prove_nothing(written: Written, tmp_path: Path) -> None:
    *own, file = written.own
    holdings = json.loads(Path(file).read_text())
    wrong, out = tmp_path / "holdings.json", tmp_path / "out"
    wrong.write_text(json.dumps(holdings | {next(iter(holdings)): "5"}))
    assert prove(written, written.signed, out, *own, str(wrong)) in (1, 6)
    assert not out.exists()


def test_another_homes_state_gives_no_keys(written: Written, tmp_path: Path) -> None:
    out = tmp_path / "x.cco"
    home = make_home(tmp_path / "other").path
    assert onchain("make", written.package[1], "--home", home, *written.anchor, "--out", out) not in (0, 2)
    assert not out.exists()


@pytest.mark.parametrize("data", [b"", b"\xc1", bytes(1000), None], ids=["empty", "no_value", "zeros", "a_package"])
def test_junk_is_refused(written: Written, tmp_path: Path, data: bytes | None, cli: CommandLine) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(Path(written.package[1]).read_bytes() if data is None else data)
    cli("onchain", "check", junk, *written.package, code=6)
    cli("onchain", "verify", junk, "--epoch", written.signed, code=6)
    cli("onchain", "calldata", junk, code=6)


@pytest.mark.chain
def test_a_contract_believes_what_the_members_transaction_carries(
    written: Written, anvil: Callable[..., Anvil], tmp_path: Path, cli: CommandLine
) -> None:
    chain = anvil(first_block_s=read_epoch_file(written.signed.read_bytes()).time_s)
    address = str(Account.from_key(KEY).address)
    chain.fund(address)
    web3 = connect(chain.url)
    token = deploy_token(web3, KEY, "Dollar", "USD", 6)
    terms = VaultTerms(
        written.home.network,
        written.home.genesis.validators,
        bytes.fromhex(address[2:]),
        COLD_KEYS,
        (VaultAsset(token.address, 1),),
    )
    vault = deploy_vault(web3, KEY, deploy_verifier(web3, KEY).address, terms)
    verifier = deploy_solvency_verifier(web3, KEY, vault.address)
    payer = ["--rpc", chain.url, "--key-file", str(secret_file(tmp_path / "payer", KEY))]
    to = [*payer, "--verifier", verifier.address.hex()]
    package = [*written.package, *written.anchor]
    mine, others = tmp_path / "mine.cca", tmp_path / "others.cca"
    assert prove(written, written.signed, mine, to=audience(verifier.address)) == 0
    assert prove(written, written.signed, others, to=audience(verifier.address, bytes(20))) == 0
    assert read_account_file(mine.read_bytes()).proof == read_account_file(others.read_bytes()).proof

    sent = cli("onchain", "send", mine, *to, code=6)
    assert "transaction_reverted" in sent.err  # nobody has certified the epoch yet
    cli("onchain", "send", written.bare, *package, *to, code=6)
    cli("onchain", "send", written.signed, *package, *to)
    keys = read_epoch_file(written.signed.read_bytes()).keys
    at = web3.to_checksum_address(verifier.address)
    assert bytes(web3.eth.call({"to": at, "data": keys_of_call(1)})) == keys.hash
    assert "has these keys already" in cli("onchain", "send", written.signed, *package, *to).err

    assert "transaction_reverted" in cli("onchain", "send", others, *to, code=6).err  # it was made for another caller
    sent = cli("onchain", "send", mine, *to).err.split()[-1]
    transaction = web3.eth.get_transaction(sent)
    assert cli("onchain", "calldata", mine).out.strip() == "0x" + bytes(transaction["input"]).hex()
    contract = web3.eth.contract(address=at, abi=load_artifact("SolvencyVerifier").abi)
    (event,) = contract.events.Solvent().process_receipt(web3.eth.get_transaction_receipt(sent))
    purpose = bytes.fromhex("ab" * 32)
    answer = {"epoch": 1, "account": 1, "caller": address, "shortfall": 0, "purpose": purpose}
    assert dict(event["args"]) == answer
    cli("onchain", "send", mine, *payer, "--verifier", "0x12", code=2)

    shown = read_account_file(others.read_bytes())
    signed = shown.presentation

    async def ask() -> None:
        arguments = ProvenAccount(
            keys.words, shown.leaf.leaf.words, shown.index, shown.path, shown.proof, (purpose, signed.r, signed.vs)
        )
        async with Endpoint(chain.url) as endpoint:
            sender = SolvencySender(endpoint, Sender(endpoint, chain.chain_id, KEY), verifier.address)
            time_s = read_epoch_file(written.signed.read_bytes()).time_s
            assert await sender.check(arguments) == (1, 1, 0, time_s)
            assert await sender.keys_of(2) == bytes(32)
            with refused(BridgeCode.ENDPOINT_REFUSED):
                await sender.check(replace(arguments, index=shown.index + 1))
            with refused(BridgeCode.KEYS_ASTRAY):
                await sender.certify(1, bytes([1]) * 32, b"")

    trio.run(ask)
