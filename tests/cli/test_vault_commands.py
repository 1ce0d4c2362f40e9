"""The commands for vaults, on a real chain: a deployment proves what it made, and a comparison names what differs."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.contracts import load_artifact
from clearing.base.codec import encode
from clearing.genesis.json import genesis_to_json
from clearing.schema.risk.parameters import SPAN_SIXTEEN, RiskParameters
from clearing.schema.terms.genesis import AccountKind, AccountTerms, Genesis, MarketParameters, MemberTerms, network_id
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import COLD_KEYS, FOUR, GUARDIAN, USER, Signers, VaultChain, address_of, make_signers
from tests.kit.command_line import CommandLine
from tests.kit.node.light_chain import Node, chain_of, serving, set_of

pytestmark = pytest.mark.chain
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "add-a-chain.md").read_text(encoding="utf-8")


def genesis_of(signers: Signers) -> Genesis:
    house = MemberTerms(0, "house", bytes(20), (AccountTerms(0, AccountKind.HOUSE),))
    risk = RiskParameters(groups=(), scenarios=SPAN_SIXTEEN)
    return Genesis("tiny", 0, signers.validators, (), (), (), (), (), risk, MarketParameters(), (house,))


class Operator:
    """Who runs the commands; `place` has a vault already, of another network, and the tokens."""

    def __init__(self, cli: CommandLine, place: VaultChain, folder: Path) -> None:
        self.cli, self.place, self.folder = cli, place, folder
        self.genesis = genesis_of(FOUR)
        self.genesis_file = folder / "genesis.json"
        self.genesis_file.write_bytes(genesis_to_json(self.genesis))
        self.payer = self.key("payer", USER)
        self.receipt = folder / "vault.json"
        self.token = "0x" + place.token_at.address.hex()

    def key(self, name: str, secret: bytes) -> Path:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(secret.hex())
        return path

    def deploy(self, *more: object, code: int = 0, tokens: tuple[str, ...] = (":100:500",)) -> Any:
        terms: list[object] = ["--guardian", address_of(GUARDIAN), "--cold-threshold", COLD_KEYS.threshold]
        for key in COLD_KEYS.addresses:
            terms += ["--cold-key", "0x" + key.hex()]
        for token in tokens:
            terms += ["--token", self.token + token if token.startswith(":") else token]
        chain = ["--rpc", self.place.chain.url, "--payer-file", self.payer, "--genesis", self.genesis_file]
        return self.cli("vault", "deploy", *terms, *chain, "--output", "json", *more, code=code)

    def deployed(self, *more: object) -> Any:
        return self.deploy("--out", self.receipt, *more).json

    def verify(self, address: str, *more: object, code: int = 0) -> dict[str, dict[str, Any]]:
        """The checks by name."""
        printed = self.cli(
            "vault", "verify", address, "--rpc", self.place.chain.url, "--output", "json", *more, code=code
        )
        assert printed.json["ok"] is (code == 0)
        return {check["name"]: check for check in printed.json["checks"]}

    def by_receipt(self, address: str, *more: object, code: int = 0) -> dict[str, dict[str, Any]]:
        return self.verify(address, "--receipt", self.receipt, "--genesis", self.genesis_file, *more, code=code)


@pytest.fixture
def operator(cli: CommandLine, anvil: Callable[..., Anvil], tmp_path: Path) -> Operator:
    return Operator(cli, VaultChain(anvil(), FOUR), tmp_path)


def failed(checks: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, check in checks.items() if check["ok"] is False]


def test_a_dry_run_sends_nothing_and_names_the_addresses_of_the_deployment(operator: Operator) -> None:
    before = operator.place.user.web3.eth.block_number
    planned = operator.deploy("--dry-run").json
    assert operator.place.user.web3.eth.block_number == before
    made = operator.deployed()
    assert [each["address"] for each in planned["contracts"]] == [each["address"] for each in made["contracts"]]
    for plan, contract in zip(planned["contracts"], made["contracts"], strict=True):
        assert contract["gas"] <= plan["gas"] <= contract["gas"] * 5 // 4
        assert (plan["block"], plan["transaction"]) == (0, "0x")


def test_a_deployed_vault_is_what_its_receipt_and_genesis_state(operator: Operator) -> None:
    made = operator.deployed()
    assert json.loads(operator.receipt.read_text()) == made
    assert operator.receipt.stat().st_mode & 0o777 == 0o644
    assert made["network"] == "0x" + network_id(operator.genesis).hex()
    for contract in made["contracts"]:
        receipt = operator.place.user.web3.eth.get_transaction_receipt(contract["transaction"])
        assert (receipt["status"], receipt["blockNumber"]) == (1, contract["block"])
        assert contract["artifact"] == "0x" + load_artifact(contract["name"]).hash.hex()
    checks = operator.by_receipt(made["contracts"][-1]["address"])
    assert all(check["ok"] for check in checks.values()), checks


def test_without_anything_stated_only_the_code_is_compared(operator: Operator) -> None:
    checks = operator.verify("0x" + operator.place.vault_at.address.hex())
    assert [name for name, check in checks.items() if check["ok"]] == [
        "code of Vault",
        "code of VaultExtension",
        "code of BlsCertificateVerifier",
        "the extension's settings",
        "keys of the set",
    ]


def test_a_vault_of_another_network_or_set_is_named(operator: Operator) -> None:
    at = "0x" + operator.place.vault_at.address.hex()
    assert failed(operator.verify(at, "--genesis", operator.genesis_file, code=6)) == ["network"]
    strangers = operator.folder / "strangers.json"
    strangers.write_bytes(genesis_to_json(genesis_of(make_signers((1, 1), b"strangers"))))
    assert failed(operator.verify(at, "--genesis", strangers, code=6)) == ["network", "trusted set"]


def test_other_terms_are_named(operator: Operator) -> None:
    at = operator.deployed()["contracts"][-1]["address"]
    assert failed(operator.verify(at, "--guardian", address_of(USER), code=6)) == ["guardian"]
    assert failed(operator.verify(at, "--token", operator.token + ":10", code=6)) == ["token " + operator.token]
    assert failed(operator.verify(at, "--token", operator.token + ":100:100", code=6)) == ["token " + operator.token]
    assert failed(operator.verify(at, "--token", address_of(USER) + ":1", code=6))
    operator.verify(at, "--token", operator.token + ":100:500")


@pytest.mark.parametrize("name", ["Vault", "VaultExtension", "BlsCertificateVerifier"])
def test_one_other_byte_of_any_contract_is_named(operator: Operator, name: str) -> None:
    made = operator.deployed()
    (at,) = [each["address"] for each in made["contracts"] if each["name"] == name]
    code = bytearray.fromhex(operator.place.chain.rpc("eth_getCode", at, "latest")[2:])
    code[-1] ^= 1
    operator.place.chain.rpc("anvil_setCode", at, "0x" + code.hex())
    assert failed(operator.by_receipt(made["contracts"][-1]["address"], code=6)) == [f"code of {name}"]


def test_a_value_that_differs_between_two_places_of_the_code_is_another_code() -> None:
    artifact = load_artifact("Vault")
    (places, *_) = [places for places in artifact.immutables if len(places) > 1]
    code = bytearray(artifact.code)
    for start in places:
        code[start + 31] = 7
    assert artifact.is_code(bytes(code))
    code[places[0] + 31] = 8
    assert not artifact.is_code(bytes(code))


def test_the_same_code_with_a_storage_of_its_own_is_not_the_vault_of_the_receipt(operator: Operator) -> None:
    at = operator.deployed()["contracts"][-1]["address"]
    rpc, other = operator.place.chain.rpc, "0x" + "77" * 20
    rpc("anvil_setCode", other, rpc("eth_getCode", at, "latest"))
    for slot in range(16):
        rpc("anvil_setStorageAt", other, "0x" + f"{slot:064x}", rpc("eth_getStorageAt", at, hex(slot), "latest"))
    found = failed(operator.by_receipt(other, code=6))
    assert {"address", "address that the terms lead to"} <= set(found)


def test_an_altered_receipt_does_not_lead_to_the_address(operator: Operator) -> None:
    made = operator.deployed()
    operator.receipt.write_text(json.dumps(made | {"salt": "1"}))
    assert failed(operator.by_receipt(made["contracts"][-1]["address"], code=6)) == ["address that the terms lead to"]
    operator.receipt.write_text(json.dumps(made | {"salt": "-1"}))
    printed = operator.cli(
        "vault",
        "verify",
        made["contracts"][-1]["address"],
        "--rpc",
        operator.place.chain.url,
        "--receipt",
        operator.receipt,
        code=6,
    )
    assert "bad_vault_receipt" in printed.err


def test_a_deployment_that_breaks_off_leaves_a_receipt_of_its_terms(operator: Operator) -> None:
    operator.payer = operator.key("poor", b"\x55" * 32)
    operator.deploy("--out", operator.receipt, code=6)
    planned = json.loads(operator.receipt.read_text())
    assert {each["transaction"] for each in planned["contracts"]} == {"0x"}
    operator.payer = operator.folder / "payer"
    operator.deploy("--out", operator.folder / "again.json")
    operator.by_receipt(planned["contracts"][-1]["address"])


def test_what_stands_already_is_not_created_again(operator: Operator) -> None:
    first = operator.deployed()
    assert "vault_exists" in operator.deploy("--dry-run", code=6).err
    second = operator.deploy("--salt", 1, "--out", operator.folder / "second.json").json
    assert [bool(each["block"]) for each in second["contracts"]] == [False, False, True]
    assert [each["address"] for each in first["contracts"][:2]] == [each["address"] for each in second["contracts"][:2]]


def test_a_receipt_is_never_overwritten(operator: Operator) -> None:
    operator.receipt.write_text("kept")
    before = operator.place.user.web3.eth.block_number
    operator.deploy("--out", operator.receipt, code=7)
    assert operator.receipt.read_text() == "kept"
    assert operator.place.user.web3.eth.block_number == before


def test_terms_that_the_constructor_refuses_are_named_and_nothing_is_sent(operator: Operator) -> None:
    before = operator.place.user.web3.eth.block_number
    assert "PauseTooLong" in operator.deploy("--out", operator.receipt, "--pause-days", 8, code=6).err
    assert "TokenListedTwice" in operator.deploy("--dry-run", tokens=(":1", ":2"), code=6).err
    nothing = address_of(USER)
    assert "token_without_code" in operator.deploy("--dry-run", tokens=(nothing + ":1",), code=6).err
    assert operator.place.user.web3.eth.block_number == before


def test_a_set_without_proof_of_possession_is_refused(operator: Operator) -> None:
    first, *others = FOUR.validators.validators
    forged = msgspec.structs.replace(first, possession=others[0].possession)
    signers = Signers(msgspec.structs.replace(FOUR.validators, validators=(forged, *others)), FOUR.secrets)
    operator.genesis_file.write_bytes(genesis_to_json(genesis_of(signers)))
    assert "bad_possession_proof" in operator.deploy("--dry-run", code=6).err


def test_another_set_than_that_of_genesis_needs_a_node_that_serves_it(operator: Operator) -> None:
    assert "--url" in operator.deploy("--dry-run", "--validators-hash", "11" * 32, code=2).err
    operator.deploy("--dry-run", "--validators-hash", FOUR.validators.hash.hex())
    with serving(Node(chain_of([{0, 1, 2}, {1, 2, 3}]))) as (url,):
        in_force = set_of(frozenset({1, 2, 3}))
        planned = operator.deploy("--dry-run", "--url", url, "--validators-hash", in_force.hash.hex()).json
        assert planned["validators"] == "0x" + encode(in_force).hex()
        former = set_of(frozenset({0, 1, 2})).hash.hex()
        assert (
            "wrong_validator_set" in operator.deploy("--dry-run", "--url", url, "--validators-hash", former, code=6).err
        )


def test_a_chain_without_eip2537_or_without_the_factory_is_refused(
    operator: Operator, anvil: Callable[..., Anvil]
) -> None:
    older = anvil(31338, hardfork="cancun")
    older.rpc("anvil_setCode", operator.token, "0x00")
    on_it = ("--dry-run", "--rpc", older.url)
    assert "no_eip2537" in operator.deploy(*on_it, code=6).err
    assert "wrong_profile" in operator.deploy(*on_it, "--profile", "scroll", code=3).err
    older.rpc("anvil_setCode", "0x4e59b44847b379578588920ca78fbf26c0b4956c", "0x00")
    assert "no_create2_factory" in operator.deploy(*on_it, code=6).err


def test_a_vault_takes_the_certificates_that_the_chains_profile_names(
    operator: Operator, anvil: Callable[..., Anvil]
) -> None:
    older = anvil(31338, hardfork="cancun")
    older.fund(address_of(USER))
    older.rpc("anvil_setCode", operator.token, "0x00")
    older.rpc("anvil_setNonce", address_of(USER), "0x1")  # its first contract is the token
    on_it, profile = ("--rpc", older.url), ("--profile", "evm-ecdsa")
    made = operator.deployed(*on_it, *profile)
    assert [each["name"] for each in made["contracts"]] == ["EcdsaCertificateVerifier", "VaultExtension", "Vault"]
    at = made["contracts"][-1]["address"]
    checks = operator.by_receipt(at, *on_it, *profile)
    assert all(check["ok"] for check in checks.values()), checks
    assert failed(operator.by_receipt(at, *on_it, code=6)) == ["code of BlsCertificateVerifier"]


def test_the_page_on_adding_a_chain_deploys_and_compares_a_vault(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(operator.folder)
    operator.key("payer.key", USER)
    values = dict(zip(("COLD1", "COLD2", "COLD3"), ("0x" + key.hex() for key in COLD_KEYS.addresses), strict=True))
    values |= {"TOKEN": operator.token, "URL": operator.place.chain.url, "GUARDIAN": address_of(GUARDIAN)}
    lines = re.findall(r"^crossclear (vault (?:deploy|verify|status) .*)$", PAGE, re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["deploy", "deploy", "verify", "status"]
    for line in lines:
        if operator.receipt.exists():
            values["VAULT"] = json.loads(operator.receipt.read_text())["contracts"][-1]["address"]
        words = [values.get(word, word).replace("TOKEN:", operator.token + ":") for word in shlex.split(line)]
        operator.cli(*words)
    assert "VAULT" in values
