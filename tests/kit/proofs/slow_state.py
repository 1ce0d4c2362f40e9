"""Reading a chain's state through the nodes that somebody shows, once more: yellow paper, appendices B and D.

Rule: as `slow_verifier`. Nodes that are not needed, or stand out of order, are for the caller to refuse: `used`.
"""

from typing import Any

from Crypto.Hash import keccak

from tests.kit.proofs.slow_verifier import need


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def hashed(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


class State:
    """A block's state, as far as nodes show it (yellow paper, appendices B and D)."""

    def __init__(self, header: bytes, nodes: list[bytes]):
        fields = unrolled(header)
        need(isinstance(fields, list) and len(fields) >= 15, "header")
        self.root, self.number = fields[3], number(fields[8])
        self.nodes = {hashed(node): node for node in nodes}
        self.used: list[bytes] = []
        self.accounts: dict[bytes, Any] = {}

    def account(self, address: bytes) -> Any:
        """[nonce, balance, storage root, code hash], or None."""
        if address not in self.accounts:
            value = self.find(self.root, address)
            self.accounts[address] = None if value is None else unrolled(value)
        found = self.accounts[address]
        need(found is None or (isinstance(found, list) and len(found) == 4), "account")
        return found

    def word(self, root: bytes, place: bytes) -> int:
        value = self.find(root, place)
        return 0 if value is None else number(unrolled(value))

    def find(self, root: bytes, key: bytes) -> bytes | None:
        if root == hashed(b"\x80"):
            return None
        path, node = list(hashed(key).hex()), self.node(root)
        while True:
            if len(node) == 17:
                need(bool(path), "path")
                below, path = node[int(path[0], 16)], path[1:]
                if not below:
                    return None
            else:
                flag, own = node[0].hex()[0], list(node[0].hex()[1:] if node[0][0] & 16 else node[0].hex()[2:])
                if path[: len(own)] != own:
                    return None
                below, path = node[1], path[len(own) :]
                if flag in "23":
                    return bytes(below) if not path else None
            node = self.node(below)

    def node(self, reference: Any) -> Any:
        if isinstance(reference, list):
            return reference
        need(reference in self.nodes, "node")
        if self.nodes[reference] not in self.used:
            self.used.append(self.nodes[reference])
        found = unrolled(self.nodes[reference])
        need(isinstance(found, list) and len(found) in (2, 17), "node")
        return found


def unrolled(data: bytes) -> Any:
    """RLP."""
    item, rest = unroll(data)
    need(not rest, "rlp")
    return item


def unroll(data: bytes) -> tuple[Any, bytes]:
    need(bool(data), "rlp")
    first, rest = data[0], data[1:]
    if first < 0x80:
        return data[:1], rest
    base = 0x80 if first < 0xC0 else 0xC0
    size = first - base
    if size > 55:
        wide = size - 55
        size, rest = number(rest[:wide]), rest[wide:]
        need(size > 55 and (len(data) - 1 - len(rest)) == wide and data[1] != 0, "rlp")
    body, rest = rest[:size], rest[size:]
    need(len(body) == size and not (base == 0x80 and size == 1 and first == 0x81 and body[0] < 0x80), "rlp")
    if base == 0x80:
        return body, rest
    items = []
    while body:
        item, body = unroll(body)
        items.append(item)
    return items, rest
