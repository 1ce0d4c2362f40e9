"""Custody terms as JSON for people: amounts as decimal numbers, where they come from, and what vouches for each.

Rule: it says what stands in the file and checks nothing; the standing is what the evidence would prove if it is right.
"""

from typing import Any

from clearing.base.evm.storage import BalanceWord
from clearing.margin.snapshot import CustodyTerm
from proofs.custody import Standing, standings
from proofs.package import EpochPackage

_WORDS = {
    Standing.ATTESTED: "the quorum's word: no storage proof",
    Standing.COUNTERS_PROVEN: "storage proofs of the vault's counters; the balance is the quorum's word",
    Standing.PROVEN: "storage proofs of counters and balance",
}
_AMOUNTS = ("deposited", "withdrawn", "balance", "released", "later", "strays", "dust")


def custody_view(package: EpochPackage) -> list[dict[str, Any]]:
    """One object a term. Amounts are base units of the token, as text: they may be beyond what JSON's readers keep."""
    found = standings(package.statement, package.custody)
    names = [slot.name for slot in package.statement.slots]
    return [_term_view(term, names, each) for term, each in zip(package.statement.custody, found, strict=True)]


def evidence_view(package: EpochPackage) -> list[dict[str, Any]]:
    """One object a block that the package has evidence of."""
    return [
        {
            "chain_id": each.chain_id,
            "block_hash": _hex(each.block_hash),
            "header_bytes": len(each.header),
            "nodes": len(each.nodes),
            "node_bytes": sum(map(len, each.nodes)),
        }
        for each in package.custody
    ]


def _term_view(term: CustodyTerm, names: list[str], standing: Standing) -> dict[str, Any]:
    amounts = {name: str(int.from_bytes(getattr(term, name), "big")) for name in _AMOUNTS}
    return {
        "chain_id": term.chain_id,
        "vault": _hex(term.vault),
        "token": _hex(term.token),
        "backs": names[term.slot] if term.slot < len(names) else f"slot {term.slot}",
        "block_number": term.block_number,
        "block_hash": _hex(term.block_hash),
        **amounts,
        "unit": term.unit,
        "held_units": term.held,
        "owed": str(term.owed),
        "balances": _balances_view(term.balances),
        "vouched_by": _WORDS[standing],
    }


def _balances_view(balances: BalanceWord) -> dict[str, Any]:
    return {"order": balances.order.name.lower(), "slot": _hex(balances.slot), "bits": balances.bits}


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
