"""From a validator's home to a contract that believes an account: the verbs of `crossclear onchain`, on a chain."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
import trio
from eth_account import Account

from bridge.codes import BridgeCode
from bridge.contracts import load_artifact
from bridge.contracts.deploy import (
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
from clearing.base.errors import RemoteFault
from clearing.genesis.json import genesis_to_json
from clearing.state.holdings import Holdings, current_holdings
from cli.main import run
from devnet.anvil import Anvil
from node.epochs.service import AccountSeeds
from node.store.store import Store
from proofs.epoch.package import read_package
from proofs.onchain.file import epoch_file, read_account_file, read_epoch_file, sign_keys, write_file
from tests.kit.chains import anvil, anvil_binary
from tests.kit.node.proving import ProverAtOnce, write_epochs
from tests.kit.node.station import Home, Station, make_home

__all__ = ["anvil", "anvil_binary"]
KEY = bytes([7]) * 32
Output = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Written:
    """A validator's home after its first epoch, and what a member has."""

    home: Home
    package: Path
    folder: Path

    @property
    def anchor(self) -> list[str]:
        return ["--genesis", str(self.folder / "genesis.json")]

    @property
    def own(self) -> list[str]:
        return [
            "--account",
            "1",
            "--seed-file",
            str(self.folder / "seed"),
            "--holdings",
            str(self.folder / "held.json"),
        ]

    def path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("onchain")
    home = make_home(folder / "net")
    (folder / "genesis.json").write_bytes(genesis_to_json(home.genesis))
    seeds, held = AccountSeeds(home.keys.network_seed), list[Holdings]()
    with Store(home.config.path("node.sqlite"), home.network) as store:
        station = Station(home, store, ProverAtOnce())
        station.epochs._seeds = seeds
        write_epochs(station, folder, 1, lambda _: held.append(current_holdings(station.state, 1)))
    package = folder / "packages" / "epoch-000001.ccp"
    names = [slot.name for slot in read_package(package.read_bytes()).statement.slots if slot.is_public]
    amounts = map(str, [*held[0].cash, *held[0].tokens, *held[0].lots])
    (folder / "held.json").write_text(json.dumps(dict(zip(names, amounts, strict=True))))
    (folder / "seed").touch(mode=0o600)
    (folder / "seed").write_text(seeds[1].hex())
    found = Written(home, package, folder)
    made = ["onchain", "make", str(package), "--home", str(home.path), *found.anchor]
    assert run([*made, "--out", found.path("signed.cco")]) == 0
    assert run([*made, "--no-sign", "--out", found.path("bare.cco")]) == 0
    return found


@pytest.fixture(scope="module")
def mine(written: Written) -> Path:
    out = written.path("mine.cca")
    prove = ["onchain", "prove", written.path("signed.cco"), "--package", str(written.package), *written.own]
    assert run([*prove, *written.anchor, "--out", out]) == 0
    return Path(out)


def test_a_home_derives_the_keys_that_its_header_certifies(written: Written, capsys: Output) -> None:
    check = ["onchain", "check", written.path("signed.cco"), "--package", str(written.package), *written.anchor]
    assert run([*check, "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["epoch"], report["certified"], report["signed_power"]) == (1, True, report["total_power"])
    assert report["anchored"] is True
    unanchored = [each for each in check if each not in written.anchor]
    assert run(unanchored) == 0
    assert "anybody may have made them" in capsys.readouterr().out
    bare = ["onchain", "check", written.path("bare.cco"), "--package", str(written.package), *written.anchor]
    assert run(bare) == 6
    assert "NOT certified" in capsys.readouterr().out


def test_signatures_are_joined(written: Written, tmp_path: Path) -> None:
    out = tmp_path / "joined.cco"
    parts = [written.path("bare.cco"), written.path("signed.cco")]
    assert run(["onchain", "join", *parts, "--package", str(written.package), *written.anchor, "--out", str(out)]) == 0
    assert out.read_bytes() == Path(written.path("signed.cco")).read_bytes()
    again = ["onchain", "join", parts[0], "--package", str(written.package), "--out", str(tmp_path / "bare.cco")]
    assert run(again) == 6


def test_a_member_proves_and_anybody_checks(written: Written, mine: Path, tmp_path: Path, capsys: Output) -> None:
    assert run(["onchain", "verify", str(mine), "--epoch", written.path("bare.cco"), "--output", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["epoch"], report["account"], report["shortfall"]) == (1, 1, 0)
    assert run(["onchain", "verify", str(mine), "--keys", report["keys"]]) == 0
    assert run(["onchain", "verify", str(mine), "--keys", "00" * 32]) == 6
    assert run(["onchain", "verify", str(mine), "--keys", "00"]) == 2
    assert run(["onchain", "verify", str(mine)]) == 2
    prove = ["onchain", "prove", written.path("signed.cco"), "--package", str(written.package), *written.own]
    assert run([*prove, *written.anchor, "--out", str(tmp_path / "again.cca")]) == 0
    assert (tmp_path / "again.cca").read_bytes() == mine.read_bytes()


def test_nothing_is_proven_under_keys_that_no_quorum_signed(written: Written, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "none.cca"
    prove = ["--package", str(written.package), *written.own, *written.anchor, "--out", str(out)]
    assert run(["onchain", "prove", written.path("bare.cco"), *prove]) == 6
    assert "under_quorum" in capsys.readouterr().err
    assert run(["onchain", "prove", written.path("signed.cco"), *prove[:2], *written.own, "--out", str(out)]) == 2
    assert run(["onchain", "prove", written.path("signed.cco"), *prove[:2], *written.anchor, "--out", str(out)]) == 2
    assert not out.exists()


def test_false_keys_are_found_though_a_validator_signed_them(written: Written, tmp_path: Path, capsys: Output) -> None:
    epoch = read_epoch_file(Path(written.path("bare.cco")).read_bytes())
    false = msgspec.structs.replace(epoch.keys, constant=bytes(32))
    share = sign_keys(false, written.home.genesis.validators, 0, written.home.keys.validator)
    path = tmp_path / "false.cco"
    path.write_bytes(write_file(epoch_file(false, epoch.all_leaves, [share])))
    for verb in (["check"], ["calldata"], ["prove", *written.own, "--out", str(tmp_path / "x.cca")]):
        call = ["onchain", verb[0], str(path), "--package", str(written.package), *verb[1:], *written.anchor]
        assert run(call) == 6, verb
        assert "keys_differ" in capsys.readouterr().err
    assert (
        run(
            [
                "onchain",
                "join",
                str(path),
                written.path("bare.cco"),
                "--package",
                str(written.package),
                "--out",
                str(tmp_path / "y.cco"),
            ]
        )
        == 6
    )
    assert run(["onchain", "verify", written.path("mine.cca"), "--epoch", str(path)]) == 6


def test_wrong_holdings_prove_nothing(written: Written, tmp_path: Path) -> None:
    held = json.loads((written.folder / "held.json").read_text())
    held[next(iter(held))] = "5"
    (tmp_path / "held.json").write_text(json.dumps(held))
    own = [*written.own[:-1], str(tmp_path / "held.json")]
    prove = ["onchain", "prove", written.path("signed.cco"), "--package", str(written.package), *own]
    assert run([*prove, *written.anchor, "--out", str(tmp_path / "x.cca")]) in (1, 6)
    assert not (tmp_path / "x.cca").exists()


def test_another_homes_state_gives_no_keys(written: Written, tmp_path: Path) -> None:
    other = make_home(tmp_path / "other")
    make = ["onchain", "make", str(written.package), "--home", str(other.path), *written.anchor]
    assert run([*make, "--out", str(tmp_path / "x.cco")]) not in (0, 2)
    assert not (tmp_path / "x.cco").exists()


def test_junk_is_refused(written: Written, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    for data in (b"", b"\xc1", bytes(1000), written.package.read_bytes()):
        junk.write_bytes(data)
        assert run(["onchain", "check", str(junk), "--package", str(written.package)]) == 6
        assert run(["onchain", "verify", str(junk), "--epoch", written.path("signed.cco")]) == 6
        assert run(["onchain", "calldata", str(junk)]) == 6


@pytest.mark.chain
def test_a_contract_believes_what_the_members_transaction_carries(
    written: Written, mine: Path, anvil: Callable[..., Anvil], capsys: Output
) -> None:
    chain = anvil()
    address = str(Account.from_key(KEY).address)
    chain.fund(address)
    web3 = connect(chain.url)
    token = deploy_token(web3, KEY, "Dollar", "USD", 6)
    terms = VaultTerms(
        written.home.network, written.home.genesis.validators, bytes.fromhex(address[2:]), ((token.address, 1),)
    )
    vault = deploy_vault(web3, KEY, deploy_verifier(web3, KEY).address, terms)
    verifier = deploy_solvency_verifier(web3, KEY, vault.address)

    key = written.folder / "payer"
    key.touch(mode=0o600)
    key.write_text(KEY.hex())
    to = ["--rpc", chain.url, "--verifier", verifier.address.hex(), "--key-file", str(key)]
    package = ["--package", str(written.package), *written.anchor]

    assert run(["onchain", "send", str(mine), *to]) not in (0, 2)
    assert "transaction_reverted" in capsys.readouterr().err  # nobody has certified the epoch yet
    assert run(["onchain", "send", written.path("bare.cco"), *package, *to]) == 6
    assert run(["onchain", "send", written.path("signed.cco"), *package, *to]) == 0
    keys = read_epoch_file(Path(written.path("signed.cco")).read_bytes()).keys
    at = web3.to_checksum_address(verifier.address)
    assert bytes(web3.eth.call({"to": at, "data": keys_of_call(1)})) == keys.hash
    assert run(["onchain", "send", written.path("signed.cco"), *package, *to]) == 0
    assert "has these keys already" in capsys.readouterr().err

    assert run(["onchain", "send", str(mine), *to]) == 0
    sent = capsys.readouterr().err.split()[-1]
    receipt = web3.eth.get_transaction_receipt(sent)  # type: ignore[arg-type]
    assert run(["onchain", "calldata", str(mine)]) == 0
    transaction = web3.eth.get_transaction(sent)  # type: ignore[arg-type]
    assert capsys.readouterr().out.strip() == "0x" + bytes(transaction["input"]).hex()
    contract = web3.eth.contract(address=at, abi=load_artifact("SolvencyVerifier").abi)
    (event,) = contract.events.Solvent().process_receipt(receipt)
    assert dict(event["args"]) == {"epoch": 1, "account": 1, "shortfall": 0}
    assert run(["onchain", "send", str(mine), *to[:2], "--verifier", "0x12", *to[4:]]) == 2

    shown = read_account_file(mine.read_bytes())

    async def ask() -> None:
        arguments = ProvenAccount(keys.words, shown.leaf.leaf.words, shown.index, shown.path, shown.proof)
        async with Endpoint(chain.url) as endpoint:
            sender = SolvencySender(endpoint, Sender(endpoint, chain.chain_id, KEY), verifier.address)
            assert await sender.check(arguments) == (1, 1, 0)
            assert await sender.keys_of(2) == bytes(32)
            with pytest.raises(RemoteFault) as fault:
                await sender.check(replace(arguments, index=shown.index + 1))
            assert fault.value.code is BridgeCode.ENDPOINT_REFUSED
            with pytest.raises(RemoteFault) as fault:
                await sender.certify(1, bytes([1]) * 32, b"")
            assert fault.value.code is BridgeCode.KEYS_ASTRAY

    trio.run(ask)
