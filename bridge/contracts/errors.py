"""Errors of contracts in plain text: the name and the values out of what a refused call returns."""

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from bridge.contracts import load_artifact
from bridge.contracts.vault import selector


def error_text(name: str, data: bytes) -> str:
    """`Name(value, …)` of an error of the contract with this artifact; empty for data that is none of them."""
    for entry in load_artifact(name).abi:
        types = [each["type"] for each in entry.get("inputs", ())]
        if entry["type"] == "error" and selector(f"{entry['name']}({','.join(types)})") == data[:4]:
            try:
                return f"{entry['name']}({', '.join(map(str, decode(types, data[4:])))})"
            except (DecodingError, OverflowError):
                return ""
    return ""
