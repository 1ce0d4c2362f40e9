"""The reference page of the vault's storage, out of its artifact.

Rule: what `solc` says of the layout, and nothing else. A proof of storage is checked against these slots.
"""

import json

from bridge.contracts import ARTIFACTS

INTRODUCTION = """# Storage of the vault

What a vault stores and where, as the compiler lays it out. A slot has 32 bytes; the offset counts bytes from its low
end. The value of a mapping lies at Keccak-256 of key and slot. The extension has the same layout: it works in the
vault's storage.

"""
HEAD = "| name | slot | offset | bytes | type |\n|---|---:|---:|---:|---|\n"


def page() -> str:
    """The page."""
    layout: dict[str, list[list[str | int]]] = json.loads((ARTIFACTS / "Vault.json").read_bytes())["layout"]
    vault = HEAD + _rows(layout[""])
    structs = [f"## `{name}`\n\n{HEAD}{_rows(rows)}" for name, rows in sorted(layout.items()) if name]
    return INTRODUCTION + "\n".join([vault, *structs])


def _rows(rows: list[list[str | int]]) -> str:
    return "".join(f"| `{name}` | {slot} | {offset} | {size} | `{kind}` |\n" for name, slot, offset, size, kind in rows)
