"""`crossclear doctor`: the exit code is that of the worst finding, and no address with a key is printed."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from clearing.genesis.json import genesis_to_json
from clearing.schema.terms.chains import ChainTerms
from devnet.anvil import Anvil
from tests.kit.bridge.vault_chain import FOUR, VaultChain
from tests.kit.clearing.genesis import make_genesis
from tests.kit.command_line import CommandLine

pytestmark = pytest.mark.chain


@pytest.fixture
def settings(anvil: Callable[..., Anvil], tmp_path: Path) -> Callable[..., Path]:
    chain = anvil()
    chain.rpc("anvil_mine", "0x28")

    def write(chain_id: int = 31337, more: str = "") -> Path:
        path = tmp_path / "node.toml"
        path.write_text(
            f'[[chains]]\nchain_id = {chain_id}\nname = "local"\nendpoints = ["{chain.url}/?key=key-of-mine"]\n'
            f'profile = "evm"\nquorum = 1\n{more}'
        )
        return path

    return write


def test_good_endpoints_end_with_zero(cli: CommandLine, settings: Callable[..., Path]) -> None:
    printed = cli("doctor", "--only", "chains", "--config", settings())
    assert "worst: ok" in printed.out
    assert "key-of-mine" not in printed.out + printed.err
    assert cli("doctor", "--config", settings(), "--chain", "local", "--output", "json").json["gravity"] == "ok"


def test_a_fault_ends_with_six_and_what_to_do(cli: CommandLine, settings: Callable[..., Path]) -> None:
    answer = cli("doctor", "--only", "chains", "--config", settings(chain_id=77_777), "--output", "json", code=6).json
    (found,) = answer["chains"]
    (finding,) = found["endpoints"][0]["findings"]
    assert (finding["check"], finding["gravity"]) == ("chain id", "fault")
    assert finding["advice"]


def test_a_warning_ends_with_five(
    cli: CommandLine, settings: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.probe.endpoint_exam.SLOW_MS", -1)
    assert "warning latency" in cli("doctor", "--only", "chains", "--config", settings(), code=5).out


def test_an_unknown_chain_is_refused(cli: CommandLine, settings: Callable[..., Path]) -> None:
    assert "known=local" in cli("doctor", "--config", settings(), "--chain", "other", code=3).err


@pytest.mark.parametrize(("profile", "code"), [("evm", 0), ("evm-ecdsa", 6)])
def test_the_vault_of_genesis_takes_the_certificates_that_the_profile_says(
    cli: CommandLine, anvil: Callable[..., Anvil], tmp_path: Path, profile: str, code: int
) -> None:
    vault = VaultChain(anvil(), FOUR)
    vault.chain.rpc("anvil_mine", "0x28")
    terms = ChainTerms(31337, "local", vault.vault_at.address, 4, 1)
    genesis = msgspec.structs.replace(make_genesis(), validators=FOUR.validators, chains=(terms,), assets=())
    (tmp_path / "genesis.json").write_bytes(genesis_to_json(genesis))
    path = tmp_path / "node.toml"
    path.write_text(
        f'[[chains]]\nchain_id = 31337\nname = "local"\nendpoints = ["{vault.chain.url}"]\nprofile = "{profile}"\n'
    )
    assert "BlsCertificateVerifier" in cli("doctor", "--only", "chains", "--config", path, code=code).out
