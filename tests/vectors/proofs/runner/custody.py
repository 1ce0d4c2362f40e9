"""Page "Custody": reserves and storage proofs."""

from typing import Any

from tests.vectors.proofs.runner import tables
from tests.vectors.proofs.runner.encoding import keccak, need, word
from tests.vectors.proofs.runner.statement import kinds_of

NATIVE = bytes(20)
Item = Any
"""Bytes, or a list of items."""


def number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def accounted(term: dict[str, Any]) -> int:
    return number(term["deposited"]) - number(term["withdrawn"])


def missing(term: dict[str, Any]) -> int:
    return max(accounted(term) - number(term["balance"]), 0)


def missing_ppm(term: dict[str, Any]) -> int:
    return -(-missing(term) * 10**6 // accounted(term)) if missing(term) else 0


def time_ms(evidence: dict[str, Any]) -> int:
    """When a header of checked evidence dates its block: item 11, 0 if it is no bytes, or more than 8."""
    stated = rlp(evidence["header"])[11]
    return 1000 * number(stated) if isinstance(stated, bytes) and len(stated) <= 8 else 0


def check_reserves(statement: dict[str, Any]) -> None:
    kinds, held = kinds_of(statement), dict[int, int]()
    for term in statement["custody"]:
        owed = term["held"] * term["unit"]
        owed += sum(number(term[name]) for name in ("released", "later", "strays", "dust"))
        need(owed == accounted(term), "RESERVES_SHORT", "owed")
        need(not missing(term) or kinds[term["slot"]] != "CASH", "RESERVES_SHORT", "cash")
        held[term["slot"]] = held.get(term["slot"], 0) + term["held"]
    for total in statement["totals"]:
        same = kinds[total["slot"]] == "POSITION" or total["total"] == held.get(total["slot"], 0)
        need(same, "RESERVES_SHORT", "total")


def check(statement: dict[str, Any], custody: list[dict[str, Any]]) -> str:
    """Empty, or "incomplete"."""
    blocks: dict[tuple[int, bytes], list[dict[str, Any]]] = {}
    for term in statement["custody"]:
        blocks.setdefault((term["chain_id"], term["block_hash"]), []).append(term)
    order, last, proven = list(blocks), -1, set()
    for evidence in custody:
        block = (evidence["chain_id"], keccak(evidence["header"]))
        place = order.index(block) if block in order else -1
        need(place > last, "CUSTODY_STRAY", "block")
        last = place
        proven.add(block)
        _check_block(evidence, blocks[block])
    for block, terms in blocks.items():
        if block not in proven or not all(_balance_known(term) for term in terms):
            return "incomplete"
    return ""


def _order(term: dict[str, Any]) -> str:
    return tables.members("BalanceOrder")[term["balances"]["order"]]


def _balance_known(term: dict[str, Any]) -> bool:
    return term["token"] == NATIVE or _order(term) != "UNKNOWN"


def proves(holds: bool, why: str) -> None:
    need(holds, "CUSTODY_NOT_PROVEN", why)


def _check_block(evidence: dict[str, Any], terms: list[dict[str, Any]]) -> None:
    header = rlp(evidence["header"])
    proves(isinstance(header, list) and 15 <= len(header) <= 64, "header")
    root, height = header[3], header[8]
    proves(isinstance(root, bytes) and len(root) == 32 and isinstance(height, bytes) and len(height) <= 8, "header")
    state = State(root, evidence["nodes"])
    for term in terms:
        pad, vault = bytes(12) + term["token"], state.account(term["vault"])
        found = [("block_number", term["block_number"], number(height))]
        for name, place in (("deposited", 9), ("withdrawn", 10)):
            found.append((name, number(term[name]), state.word(vault, keccak(pad + word(place)))))
        balance = None
        if term["token"] == NATIVE:
            balance = number(vault[1])
        elif _order(term) != "UNKNOWN":
            key, slot = bytes(12) + term["vault"], term["balances"]["slot"]
            place_of = keccak(key + slot if _order(term) == "KEY_FIRST" else slot + key)
            balance = state.word(state.account(term["token"]), place_of) % 2 ** term["balances"]["bits"]
        if balance is not None:
            found.append(("balance", number(term["balance"]), balance))
        for name, stated, read in found:
            need(stated == read, "CUSTODY_DIFFERS", name)
    proves(state.used == len(state.nodes), "nodes that are not used")


class State:
    """Reads of a block's state, in the order of its nodes."""

    def __init__(self, root: bytes, nodes: list[bytes]) -> None:
        self.root, self.nodes, self.used = root, nodes, 0
        self.known: dict[bytes, list[Item]] = {}
        self.accounts: dict[bytes, list[bytes]] = {}

    def account(self, address: bytes) -> list[bytes]:
        if address not in self.accounts:
            value = self.lookup(self.root, keccak(address))
            proves(value is not None, "no account")
            fields = rlp(value or b"")
            shaped = isinstance(fields, list) and len(fields) == 4 and all(isinstance(each, bytes) for each in fields)
            proves(shaped, "account")
            proves(max(len(fields[0]), len(fields[1])) <= 32 == len(fields[2]) == len(fields[3]), "account")
            self.accounts[address] = fields
        return self.accounts[address]

    def word(self, account: list[bytes], key: bytes) -> int:
        value = self.lookup(account[2], keccak(key))
        if value is None:
            return 0
        item = rlp(value)
        proves(isinstance(item, bytes) and 1 <= len(item) <= 32 and item[0] != 0, "word")
        return number(item)

    def node(self, reference: Item) -> list[Item]:
        """A node is decoded, and its whole shape is checked, when it is read for the first time."""
        if isinstance(reference, list):
            return reference
        proves(len(reference) == 32, "reference")
        if reference not in self.known:
            proves(self.used < len(self.nodes) and keccak(self.nodes[self.used]) == reference, "node")
            node = rlp(self.nodes[self.used])
            proves(isinstance(node, list), "node")
            check_shape(node)
            self.known[reference] = node
            self.used += 1
        return self.known[reference]

    def lookup(self, root: bytes, hashed: bytes) -> bytes | None:
        if root == keccak(b"\x80"):
            return None
        path, reference = nibbles(hashed), root
        while True:
            node = self.node(reference)
            if len(node) == 17:
                reference, ends = (node[path[0]], False) if path else (node[16], True)
                path = path[1:]
                if not reference:
                    return None
            else:
                flag, own = compact_path(node[0])
                ends = flag >= 2
                if path != own if ends else path[: len(own)] != own:
                    return None
                reference, path = node[1], path[len(own) :]
            if ends:
                proves(isinstance(reference, bytes) and bool(reference), "value")
                return bytes(reference)


def check_shape(node: list[Item]) -> None:
    """Every item of a node, also of those that lie inside it."""
    proves(len(node) in (2, 17), "node")
    if len(node) == 17:
        proves(isinstance(node[16], bytes), "value")
        for each in node[:16]:
            if each != b"":
                _check_reference(each)
        return
    proves(isinstance(node[0], bytes) and bool(node[0]), "path")
    flag, own = compact_path(node[0])
    proves(flag < 4 and (flag % 2 == 1 or node[0][0] % 16 == 0), "path")
    if flag >= 2:
        proves(isinstance(node[1], bytes) and bool(node[1]), "value")
    else:
        proves(bool(own), "path")
        _check_reference(node[1])


def _check_reference(item: Item) -> None:
    if isinstance(item, bytes):
        proves(len(item) == 32, "reference")
    else:
        proves(rlp_bytes(item) <= 31, "a node that is too long to lie inside another")
        check_shape(item)


def compact_path(compact: bytes) -> tuple[int, list[int]]:
    """Flag and nibbles."""
    found = nibbles(compact)
    return found[0], found[1:] if found[0] % 2 else found[2:]


def rlp_bytes(item: Item) -> int:
    """The length of an item's RLP."""
    if isinstance(item, bytes) and len(item) == 1 and item[0] < 0x80:
        return 1
    size = len(item) if isinstance(item, bytes) else sum(map(rlp_bytes, item))
    return 1 + size if size <= 55 else 1 + (size.bit_length() + 7) // 8 + size


def nibbles(data: bytes) -> list[int]:
    return [nibble for byte in data for nibble in (byte // 16, byte % 16)]


def rlp(data: bytes) -> Item:
    item, end = _item(data, 0, len(data), 0)
    proves(end == len(data), "bytes after an item")
    return item


def _item(data: bytes, at: int, limit: int, depth: int) -> tuple[Item, int]:
    proves(at < limit, "an item is missing")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list, size = first >= 0xC0, first - (0xC0 if first >= 0xC0 else 0x80)
    start = at + 1
    if size > 55:
        spelled = data[start : start + size - 55]
        start += size - 55
        proves(start <= limit and spelled[0] != 0, "length")
        size = number(spelled)
        proves(size > 55, "length")
    end = start + size
    proves(end <= limit, "an item is cut short")
    if not is_list:
        proves(size != 1 or data[start] >= 0x80, "prefix")
        return data[start:end], end
    proves(depth < 64, "nested too deeply")
    items, at = [], start
    while at < end:
        item, at = _item(data, at, end, depth + 1)
        items.append(item)
    return items, end
