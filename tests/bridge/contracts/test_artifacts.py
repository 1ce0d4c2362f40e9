"""The committed artifacts are what the pinned compiler makes of the sources, and what Python believes they are."""

import json
import os
from pathlib import Path

import pytest

from bridge.contracts import ARTIFACTS, FOLDER, load_artifact, vault
from bridge.contracts.compile import compile_artifacts
from bridge.contracts.creation import vault_creations
from bridge.contracts.deploy import VaultAsset, VaultTerms
from bridge.contracts.schemes import CertificateScheme
from bridge.evm import events
from clearing.base.errors import LocalFault
from clearing.base.evm.storage import VAULT_DEPOSITED, VAULT_WITHDRAWN
from clearing.base.hashing import keccak256
from clearing.base.validators import VALIDATORS_MAX
from devnet.genesis import DEVNET_BALANCES
from devnet.toolchain import INSTALL_COMMAND, compiler_path
from tests.kit.bridge.vault_chain import COLD_KEYS, make_signers

CODE_BYTES_MAX = 24_576
"""Of a contract (EIP-170)."""
INIT_CODE_BYTES_MAX = 2 * CODE_BYTES_MAX
"""Of what creates one, with the arguments of its constructor (EIP-3860)."""
ASSETS = 16


def _signatures(name: str, kind: str) -> dict[str, bytes]:
    return {
        entry["name"]: keccak256(f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})".encode())
        for entry in load_artifact(name).abi
        if entry["type"] == kind
    }


def test_compiling_gives_the_committed_bytes() -> None:
    try:
        compiler_path()
    except LocalFault:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no compiler: run {INSTALL_COMMAND}")
        pytest.skip(f"no compiler to compare with: run {INSTALL_COMMAND}")
    committed = {path.name: path.read_bytes() for path in ARTIFACTS.glob("*.json")}
    assert compile_artifacts() == committed


def test_the_network_allows_no_set_that_a_vault_could_not_keep() -> None:
    source = (FOLDER / "src" / "ValidatorSetCode.sol").read_text()
    assert f"VALIDATORS_MAX = {VALIDATORS_MAX};" in source
    # A byte that stops it, total power and key, and the entry of each validator.
    assert 1 + 160 + 192 * VALIDATORS_MAX <= CODE_BYTES_MAX


def test_the_adapters_words_are_those_of_the_contract() -> None:
    functions, emitted = _signatures("Vault", "function"), _signatures("Vault", "event")
    assert functions["depositNonce"][:4] == vault.DEPOSIT_NONCE
    assert functions["deposited"][:4] == vault.DEPOSITED
    assert functions["withdrawn"][:4] == vault.WITHDRAWN
    assert functions["assetOf"][:4] == vault.ASSET_OF
    assert functions["depositNative"][:4] == vault.DEPOSIT_NATIVE
    assert functions["depositWithPermit"][:4] == vault.DEPOSIT_WITH_PERMIT
    assert functions["network"][:4] == vault.NETWORK
    assert functions["verifier"][:4] == vault.VERIFIER
    assert functions["extension"][:4] == vault.EXTENSION
    assert functions["guardian"][:4] == vault.GUARDIAN
    assert functions["trustingPeriod"][:4] == vault.TRUSTING_PERIOD
    assert functions["pausePeriod"][:4] == vault.PAUSE_PERIOD
    assert functions["wrappedNative"][:4] == vault.WRAPPED_NATIVE
    assert functions["coldNonce"][:4] == vault.COLD_NONCE
    assert functions["pausedUntil"][:4] == vault.PAUSED_UNTIL
    topics = (emitted["Deposited"], emitted["Withdrawn"], emitted["ValidatorsRotated"])
    assert topics == (events.DEPOSITED, events.WITHDRAWN, events.ROTATED)
    assert (emitted["Checkpointed"], emitted["BranchChosen"]) == (events.CHECKPOINTED, events.BRANCH_CHOSEN)
    indexed = {
        e["name"]: [i["indexed"] for i in e["inputs"]] for e in load_artifact("Vault").abi if e["type"] == "event"
    }
    assert indexed["Deposited"] == [True, True, True, False, False, False]
    assert indexed["Withdrawn"] == [True, True, True, False, False]
    assert indexed["ValidatorsRotated"] == [True, True]
    assert indexed["Checkpointed"] == [True, True, False]


def test_storage_proofs_look_where_the_compiler_lays_the_counters() -> None:
    places = load_artifact("Vault").storage
    assert places["deposited"] == (VAULT_DEPOSITED, 0)
    assert places["withdrawn"] == (VAULT_WITHDRAWN, 0)
    for token in ("TestToken", "WrappedNative"):
        assert load_artifact(token).storage["_balances"] == (DEVNET_BALANCES, 0)


def test_contracts_fit_the_limit_on_code() -> None:
    for path in ARTIFACTS.glob("*.json"):
        artifact = load_artifact(path.stem)
        assert 0 < artifact.code_bytes <= CODE_BYTES_MAX
        assert artifact.code_bytes < len(artifact.bytecode) <= INIT_CODE_BYTES_MAX


@pytest.mark.parametrize("scheme", CertificateScheme)
def test_a_vault_of_the_largest_set_can_be_created(scheme: CertificateScheme) -> None:
    """What creates a contract is its code and the arguments of its constructor; only the vault's have the set."""
    validators = make_signers((1,) * VALIDATORS_MAX).validators
    assets = tuple(VaultAsset(bytes([index + 1]) * 20, 100, 500) for index in range(ASSETS))
    terms = VaultTerms(bytes(32), validators, b"\1" * 20, COLD_KEYS, assets, scheme=scheme)
    sizes = {each.name: len(each.code) for each in vault_creations(terms)}
    assert max(sizes.values()) <= INIT_CODE_BYTES_MAX, sizes
    assert len(validators.words) < sizes["Vault"]


def test_the_vault_and_its_extension_lay_their_storage_out_alike() -> None:
    assert load_artifact("Vault").storage == load_artifact("VaultExtension").storage != {}


def test_only_names_of_artifacts_are_loaded() -> None:
    for name in ("Nothing", "../package", "Vault.json", ""):
        with pytest.raises(FileNotFoundError):
            load_artifact(name)


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "checks"])
def test_every_package_is_pinned_exactly(folder: Path) -> None:
    package = json.loads((folder / "package.json").read_bytes())
    wanted = {
        name: version for kind in package if kind.endswith("ependencies") for name, version in package[kind].items()
    }
    locked = json.loads((folder / "package-lock.json").read_bytes())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
