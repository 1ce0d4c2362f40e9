"""A proof file as JSON for people: every field by its name, rows as text, points and hashes in hex. It checks nothing.

Rule: it shows exactly what typed decoding read, which refuses a file with anything else in it. The extra entries
(`hash`, `says`) follow from the fields beside them. Custody terms show amounts as decimal numbers, their source, and
what valid evidence would prove. Text is not changed: the caller makes it printable.
"""

from enum import IntEnum
from typing import Any

import msgspec

from clearing.base.certificate import signer_indices
from clearing.base.errors import BaseCode, CrossclearError, RemoteFault
from clearing.base.evm.storage import BalanceLocation
from clearing.margin.statement.snapshot import CustodyTerm, RiskStatement, Row, RowKind
from proofs.algebra.field import SCALAR_BYTES
from proofs.algebra.group import POINT_BYTES
from proofs.cover.terms import cover_of
from proofs.cover.verifier import LINK_BYTES
from proofs.epoch.matched_book import BLINDERS
from proofs.epoch.package import EpochPackage, read_package
from proofs.linear.messages import TAIL_BYTES, LinearProof, part_bytes, read_proof
from proofs.statement.arithmetization import auxiliary_slots, layout_of
from proofs.statement.custody import CustodyAssurance, custody_assurances
from proofs.verify.standalone import MAGIC, read_standalone

View = dict[str, Any]
_FIELDS = EpochPackage.__struct_fields__
_OWN_VIEW = ("commitments", "proof", "book", "cover", "custody", "house")
"""Long ones, of which no second form is built."""


def view_of(data: bytes) -> View:
    """An epoch package or a standalone proof, distinguished by the first bytes.

    Raises RemoteFault for bytes of neither.
    """
    return _standalone_view(data) if data.startswith(MAGIC) else _package_view(read_package(data))


def _package_view(package: EpochPackage) -> View:
    """All of a package."""
    view: View = {name: None if name in _OWN_VIEW else plain(getattr(package, name)) for name in _FIELDS}
    view["header"] = {"hash": _hex(package.header.hash), **view["header"]}
    view["certificate"]["signed_by"] = list(signer_indices(package.certificate.signers))
    names = [slot.name for slot in package.statement.slots]
    for row_view, row in zip(view["statement"]["rows"], package.statement.rows, strict=True):
        row_view["says"] = _row_text(row, names)
        del row_view["coefficients"]
    view["statement"] = {"digest": _hex(package.statement.digest()), **view["statement"]}
    view["statement"]["custody"] = _custody_view(package)
    view["statement"]["rules"] = _rules_view(package.statement)
    view["custody"] = _evidence_view(package)
    view["commitments"] = [{"account": account, "C_W": _hex(c_w)} for account, c_w in package.commitments]
    view["proof"] = _joint_view(package)
    view["book"] = _book_view(package.book, package.statement)
    view["cover"] = _cover_view(package) if package.cover else _hex(package.cover)
    view["house"] = _house_view(package.house) if package.house else _hex(package.house)
    return view


def _standalone_view(data: bytes) -> View:
    """All of a standalone proof. Raises RemoteFault."""
    proof = read_standalone(data)
    columns = (len(proof.proof) - TAIL_BYTES) // part_bytes(1)
    return {
        "format": "crossclear-standalone/1",
        "C_W": _hex(proof.commitment),
        "proof": _linear_view(read_proof(proof.proof, 1, columns)),
    }


def _row_text(row: Row, names: list[str]) -> str:
    """`10·cash:USD − 8·max:BTC + shortfall ≥ 0`."""
    terms = [(a, f"·{names[j]}" if j < len(names) else f"·slot {j}") for j, a in row.coefficients]
    terms += [(row.constant, "")] if row.constant else []
    terms += [(1, "·shortfall")] if row.shortfall else []
    text = ""
    for a, what in terms:
        sign = "−" if a < 0 else "+" if text else ""
        text += f" {sign} " if text else sign
        text += what[1:] if what and abs(a) == 1 else f"{abs(a)}{what}"
    return f"{text or 0} {'≥' if row.kind is RowKind.AT_LEAST_ZERO else '='} 0"


def plain(value: Any) -> Any:
    """Typed values as JSON has them: structures by field, enumerations by name, bytes in hex."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return _hex(value)
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def _rules_view(statement: RiskStatement) -> View:
    """The rulebook by names, where the statement carries one that reads."""
    from clearing.margin.statement.rulebook import (
        read_rulebook,  # here, for only this view needs parameters and pricing
    )

    try:
        return {"rulebook": plain(read_rulebook(statement.rules, len(statement.slots)))}
    except CrossclearError as fault:
        return {"unreadable": str(fault), "bytes": _hex(statement.rules)}


def _joint_view(package: EpochPackage) -> View:
    try:
        columns = layout_of(package.statement, package.domain).columns
        return _linear_view(read_proof(package.proof, len(package.commitments), columns))
    except RemoteFault as fault:
        return {"unreadable": str(fault), "bytes": _hex(package.proof)}


def _house_view(data: bytes) -> View:
    try:
        return _linear_view(read_proof(data, 1, (len(data) - TAIL_BYTES) // part_bytes(1)))
    except RemoteFault as fault:
        return {"unreadable": str(fault), "bytes": _hex(data)}


def _cover_view(package: EpochPackage) -> View:
    try:
        cover = cover_of(package.statement, [account for account, _ in package.commitments], package.domain)
        if cover is None:
            raise RemoteFault(BaseCode.MALFORMED, "cover proof", why="no stress scenarios")
        split = POINT_BYTES * cover.stresses
        vectors = [package.cover[at : at + POINT_BYTES] for at in range(0, split, POINT_BYTES)]
        joint, rest = package.cover[split : split + cover.proof_bytes], package.cover[split + cover.proof_bytes :]
        return {
            "C_V": [{"stress": name, "C_V": _hex(c_v)} for name, c_v in zip(cover.names, vectors, strict=True)],
            "proof": _linear_view(read_proof(joint, cover.stresses, cover.layout.columns)),
            "link": _hex(rest[:LINK_BYTES]),
            "backing": _hex(rest[LINK_BYTES:]),
        }
    except RemoteFault as fault:
        return {"unreadable": str(fault), "bytes": _hex(package.cover)}


def _linear_view(proof: LinearProof) -> View:
    parts = [
        {"C_D": list(map(_hex, part.c_d)), "C_f": list(map(_hex, part.c_f)), "D(zeta)": list(map(_scalar, part.d_bar))}
        for part in proof.parts
    ]
    return {
        "accounts": parts,
        "C_m": _hex(proof.c_m),
        "C_S": _hex(proof.c_s),
        "C_t1": _hex(proof.c_t1),
        "C_t2": _hex(proof.c_t2),
        "S(omega zeta)": _scalar(proof.s_bar),
        "pi_1": _hex(proof.pi_1),
        "pi_2": _hex(proof.pi_2),
    }


def _book_view(data: bytes, statement: RiskStatement) -> View:
    answers = [_hex(data[at : at + SCALAR_BYTES]) for at in range(POINT_BYTES, len(data), SCALAR_BYTES)]
    slots = auxiliary_slots(statement)
    if len(data) != POINT_BYTES + SCALAR_BYTES * (BLINDERS + len(slots)):
        return {"unreadable": "not of the expected length", "bytes": _hex(data)}
    names = ["[Z_H]", "[X·Z_H]", *(statement.slots[j].name for j in slots)]
    return {
        "R": _hex(data[:POINT_BYTES]),
        "z": [{"base": name, "z": z} for name, z in zip(names, answers, strict=True)],
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _scalar(value: int) -> str:
    return f"0x{value:064x}"


_ASSURANCE_TEXT = {
    CustodyAssurance.ATTESTED: "attested by the quorum: no storage proof",
    CustodyAssurance.COUNTERS_PROVEN: "storage proofs of the vault's counters; the balance is attested by the quorum",
    CustodyAssurance.PROVEN: "storage proofs of counters and balance",
}
_AMOUNTS = ("deposited", "withdrawn", "balance", "released", "later", "strays", "dust")


def _custody_view(package: EpochPackage) -> list[dict[str, Any]]:
    """One object a term. Amounts are base units of the token, as text: they may be beyond what JSON's readers keep."""
    terms, assurances = package.statement.custody, custody_assurances(package.statement, package.custody)
    names = [slot.name for slot in package.statement.slots]
    return [_term_view(term, names, assurance) for term, assurance in zip(terms, assurances, strict=True)]


def _evidence_view(package: EpochPackage) -> list[dict[str, Any]]:
    """One object a block that the package has evidence of."""
    return [
        {
            "chain_id": evidence.chain_id,
            "block_hash": _hex(evidence.block_hash),
            "header_bytes": len(evidence.header),
            "nodes": len(evidence.nodes),
            "node_bytes": sum(map(len, evidence.nodes)),
        }
        for evidence in package.custody
    ]


def _term_view(term: CustodyTerm, names: list[str], assurance: CustodyAssurance) -> dict[str, Any]:
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
        "vouched_by": _ASSURANCE_TEXT[assurance],
    }


def _balances_view(balances: BalanceLocation) -> dict[str, Any]:
    return {"order": balances.order.name.lower(), "slot": _hex(balances.slot), "bits": balances.bits}
