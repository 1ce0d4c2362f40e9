"""The mutants' compiler: a process that has loaded it once, and answers with the code alone.

Rule: without optimizer and via-IR, which takes a second instead of minutes and keeps what the code does.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.contracts import FOLDER
from bridge.contracts.compile import (
    CONTRACTS,
    SETTINGS,
    CompileError,
    as_artifacts,
    compile_contracts,
    node_path,
    read_sources,
)

FILES = (
    *("Vault.sol", "VaultExtension.sol", "BlsCertificateVerifier.sol", "EcdsaCertificateVerifier.sol"),
    "test/BlsHarness.sol",
)
"""All that a vault runs, and the door to its curve code."""
FAST = SETTINGS | {"optimizer": {"enabled": False}, "viaIR": False}
OUTPUTS = ["evm.bytecode.object", "evm.deployedBytecode"]


def sound_artifacts() -> dict[str, bytes]:
    """Artifacts without any fault, by file name. Raises CompileError."""
    return as_artifacts(compile_contracts(read_sources(), FILES, FAST, tolerates_warnings=True))


class MutantCompiler:
    """Puts the code of mutants into sound artifacts: a fault changes no interface and no storage."""

    def __init__(self, sound: Mapping[str, bytes]) -> None:
        self._sound = {name: json.loads(content) for name, content in sound.items()}
        self._sources = read_sources()
        self._process = subprocess.Popen(
            [node_path(), str(Path(__file__).with_name("compiler.js")), str(FOLDER / "node_modules" / "solc")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def compiled(self, file: str, source: str) -> dict[str, bytes]:
        """The artifacts with this source of one file. Raises CompileError."""
        contracts = self._answer(self._sources | {file: {"content": source}})
        found = {}
        for each in FILES:
            for name in CONTRACTS[each]:
                code = contracts[each][name]["evm"]
                places = code["deployedBytecode"]["immutableReferences"].values()
                found[f"{name}.json"] = self._sound[f"{name}.json"] | {
                    "bytecode": code["bytecode"]["object"],
                    "code": code["deployedBytecode"]["object"],
                    "immutables": sorted(sorted(place["start"] for place in same) for same in places),
                }
        return {
            name: (json.dumps(content, indent=1, sort_keys=True) + "\n").encode() for name, content in found.items()
        }

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self, sources: Mapping[str, dict[str, str]]) -> dict[str, Any]:
        selection = {file: dict.fromkeys(CONTRACTS[file], OUTPUTS) for file in FILES}
        request = {
            "language": "Solidity",
            "sources": sources,
            "settings": {**FAST, "outputSelection": selection},
        }
        if self._process.stdin is None or self._process.stdout is None:
            raise CompileError("the compiler has no pipes")
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        errors = [entry["formattedMessage"] for entry in answer.get("errors", ()) if entry["severity"] == "error"]
        if errors:
            raise CompileError("\n".join(errors))
        contracts: dict[str, Any] = answer["contracts"]
        return contracts
