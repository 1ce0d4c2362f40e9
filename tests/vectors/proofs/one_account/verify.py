"""Page "Verification", section "A standalone proof": the checks in order."""

from itertools import pairwise

from tests.vectors.proofs.one_account.certificates import check_certificate
from tests.vectors.proofs.one_account.encoding import Reader, Refused, need, tagged, written
from tests.vectors.proofs.one_account.linear import SRS, check_solvency
from tests.vectors.proofs.one_account.statement import Layout, check_roots, check_shapes


def verify(package: bytes, proof: bytes) -> tuple[str, str]:
    """The check that refuses a standalone proof, and its code; empty where it is accepted."""
    try:
        reader = Reader(package)
        items = reader.value()
        need(reader.at == len(package) and isinstance(items, list) and len(items) == 13, "encoding", "MALFORMED")
        need(written(items) == package, "encoding", "NON_CANONICAL")
        need(items[0] == "crossclear-epoch-package/2", "encoding", "MALFORMED")
        need(len(proof) <= 4 + 48 + 128 * 16 + 320, "encoding", "OVERSIZE")
        need(proof[:4] == b"ccs\1" and (len(proof) - 372) % 128 == 0 and len(proof) >= 500, "encoding", "MALFORMED")
        header, certificate, (validators,), srs, domain, statement, commitments = items[1:8]
        check_certificate(header, certificate, validators)
        root = check_roots(header, statement, domain, commitments)
        need(srs == SRS, "statement", "WRONG_SRS")
        check_shapes(statement)
        layout = Layout(statement, domain)
        accounts = [account for account, _ in commitments]
        rising = accounts and all(a < b for a, b in pairwise(accounts))
        need(bool(rising), "statement", "BAD_STATEMENT")
        c_w = proof[4:52]
        named = [account for account, each in commitments if each == c_w]
        need(bool(named), "listed", "NOT_INCLUDED")
        sigma = dict(map(tuple, statement[11])).get(named[0], 0)
        check_solvency(layout, tagged("crossclear/standalone/v1", root), named[0], sigma, c_w, proof[52:])
    except Refused as refused:
        name, code = refused.args
        return name, code
    return "", ""
