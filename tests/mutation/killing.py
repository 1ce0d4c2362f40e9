"""One mutant against the tests of the contracts: compile it, deploy it in the vault's place, and see which test fails.

Rule: a mutant is compiled without optimizer and via-IR, in seconds instead of minutes, and runs on a chain without the
limit on code. The tests of its own subject come first; the first that fails ends the run.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import web3  # noqa: F401  which all tests import, once for all mutants

import bridge.contracts
from bridge.contracts.compile import SETTINGS, CompileError, as_artifacts, compile_contracts, read_sources
from devnet.toolchain import ANVIL_VARIABLE, anvil_path
from tests.mutation.operators import Mutant

TESTS = Path(__file__).resolve().parents[1] / "bridge" / "contracts"
VAULT = ("Vault.sol", "VaultExtension.sol", "BlsCertificateVerifier.sol")
FAST = SETTINGS | {"optimizer": {"enabled": False}, "viaIR": False}
FIRST = {
    "Deposits.sol": ("deposits", "weird_tokens"),
    "Pauses.sol": ("pauses",),
    "Guardian.sol": ("deposits", "guardian_orders", "pauses", "cold_quorum"),
    "ColdQuorum.sol": ("cold_quorum",),
    "Checkpoints.sol": ("checkpoints", "batches", "conflicts", "escape"),
    "ValidatorSetCode.sol": ("certificate_verifier", "checkpoints"),
    "BlsCertificateVerifier.sol": ("certificate_verifier", "checkpoints"),
    "Bls12381.sol": ("certificate_verifier", "checkpoints"),
    "MerkleTree.sol": ("escape",),
    "WithdrawalsTree.sol": ("withdrawals", "batches", "guardian_orders"),
    "Finality.sol": ("checkpoints",),
    "Vault.sol": ("deposits", "cold_quorum", "checkpoints"),
    "VaultState.sol": ("deposits", "withdrawals", "checkpoints"),
    "Evidence.sol": ("conflicts",),
    "Escape.sol": ("escape",),
    "ExitTree.sol": ("escape",),
    "Payments.sol": ("withdrawals", "batches", "weird_tokens"),
}
"""Tests to try first, by the mutant's file."""
LAST = (
    *("deposits", "withdrawals", "batches", "checkpoints", "cold_quorum", "guardian_orders", "pauses", "conflicts"),
    *("certificate_verifier", "refunds", "weird_tokens", "attacks_on_the_escape", "escape"),
)
SECONDS_MAX = 900
"""Of all tests of one mutant; one that never ends is killed."""
# Calls of unoptimised code cost more, and its size passes the limit.
_CHAIN = """#!/bin/sh
for option do shift; [ "$option" = --enable-tx-gas-limit ] || set -- "$@" "$option"; done
exec "{anvil}" "$@" --disable-code-size-limit --gas-limit 1000000000
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant. `by` is the test that failed."""

    mutant: Mutant
    outcome: str
    """`killed`, `survived`, `same` when the compiler makes the same code of it, or `invalid` when it makes none."""
    by: str = ""


def compiled(mutant: Mutant | None = None) -> dict[str, bytes]:
    """Vault and extension with this fault, or without any. Raises CompileError."""
    sources = read_sources()
    if mutant is not None:
        sources[mutant.file] = {"content": mutant.source}
    return as_artifacts(compile_contracts(sources, VAULT, FAST, tolerates_warnings=True))


def judge(mutant: Mutant, sound: dict[str, bytes]) -> Verdict:
    """Run the tests on a mutant of the vault, which without any fault compiles to `sound`."""
    try:
        found = compiled(mutant)
    except CompileError:
        return Verdict(mutant, "invalid")
    if found == sound:
        return Verdict(mutant, "same")
    by = failing_test(found, (*FIRST.get(mutant.file, ()), *LAST))
    return Verdict(mutant, "killed" if by else "survived", by)


def failing_test(artifacts: dict[str, bytes], names: Sequence[str] = LAST) -> str:
    """The first test that fails when these artifacts are deployed; empty when none does. Takes its process over."""
    files = [path for name in dict.fromkeys(names) for path in sorted(TESTS.glob(f"test_*{name}.py"))]
    found = _FirstFailure()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _deploy_from(folder, artifacts)
        signal.signal(signal.SIGALRM, _end)
        signal.alarm(SECONDS_MAX)
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/tests"]
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            code = pytest.main([*options, *map(str, files)], plugins=[found])
        signal.alarm(0)
    return found.name or ("" if code == pytest.ExitCode.OK else f"pytest ended with {code}")


def _deploy_from(folder: Path, artifacts: dict[str, bytes]) -> None:
    """From here on this process deploys these artifacts, on chains without the limit on code."""
    shutil.copytree(bridge.contracts.ARTIFACTS, folder / "artifacts")
    for name, content in artifacts.items():
        (folder / "artifacts" / name).write_bytes(content)
    bridge.contracts.ARTIFACTS = folder / "artifacts"
    bridge.contracts.load_artifact.cache_clear()
    chain = folder / "anvil"
    chain.write_text(_CHAIN.format(anvil=anvil_path()), encoding="utf-8")
    chain.chmod(0o700)
    os.environ[ANVIL_VARIABLE] = str(chain)


class _FirstFailure:
    """A plug-in of pytest that keeps the name of the test that failed."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid.rpartition("/")[2]


def _end(*_: object) -> None:
    raise TimeoutError(f"the tests of one mutant take more than {SECONDS_MAX} s")
