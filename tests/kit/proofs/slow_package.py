"""A second verifier of whole packages: slow, independent, written from `proofs/notes/protocol.md` alone.

Rule: it shares nothing with the code but bytes: the ceremony's file and the package's. MessagePack comes untyped and is
packed again to see that it is canonical; signatures, points and pairings are py-ecc's; tries are read by what is
written here. It judges everything but whether the rows are the whole rule, which needs the clearing house's own code.

    failed_check(data) == ""        # accepted; else the name of the check that fails
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import msgspec
from eth_keys.backends import NativeECCBackend
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature, ValidationError
from py_ecc.bls import G2ProofOfPossession
from py_ecc.bls.g2_primitives import G1_to_pubkey
from py_ecc.bls.point_compression import decompress_G1
from py_ecc.optimized_bls12_381 import eq, normalize

from tests.kit.proofs.slow_cover import check_cover
from tests.kit.proofs.slow_script import P, Script, packed, sha, tagged
from tests.kit.proofs.slow_state import State, hashed, number
from tests.kit.proofs.slow_verifier import CEREMONY, No, PlainStatement, check_proof, combine, need, omega, point


def fields(text: str) -> list[str]:
    """Names of an array's items, in order."""
    return text.split()


PACKAGE = fields("format header certificate validators srs domain statement commitments proof book cover custody house")
HEADER = fields(
    "network parent height time_ms payload_root module_roots commitments_root commitments_height withdrawals_root "
    "withdrawals_count exit_root epoch validators_hash next_validators_hash deposit_cursors"
)
STATEMENT = fields(
    "network height epoch state_root scenarios groups slots rows prices totals custody shortfalls rules outside cover"
)
TERM = fields(
    "chain_id vault token slot block_number block_hash deposited withdrawn balance balances unit held released later "
    "strays dust"
)
FORMAT = "crossclear-epoch-package/2"
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CASH, TOKEN, POSITION, GROUP_MAX, AUXILIARY, AUXILIARY_SIGNED, UNCOVERED, NET_CHARGE, HISTORICAL = range(1, 10)
RANGES = {
    CASH: (8, 2**63),
    TOKEN: (7, 0),
    POSITION: (5, 2**39),
    GROUP_MAX: (8, 0),
    AUXILIARY: (8, 0),
    AUXILIARY_SIGNED: (8, 2**63),
    UNCOVERED: (8, 0),
    NET_CHARGE: (8, 0),
    HISTORICAL: (8, 0),
}
PUBLIC = (CASH, TOKEN, POSITION)


@dataclass
class Judged:
    """What one check leaves for the next."""

    package: dict[str, Any]
    header: dict[str, Any]
    statement: dict[str, Any]
    linear: PlainStatement | None = None
    script: Script | None = None


def failed_check(data: bytes) -> str:
    """The name of the first check that fails; empty when the package is accepted."""
    name = "encoding"
    try:
        judged = read(data)
        for check in (
            certificate,
            sizes,
            roots,
            statement,
            ranges_and_rows,
            matched_book,
            reserves,
            custody,
            cover,
            house,
        ):
            name = check.__name__
            check(judged)
    except (No, TypeError, ValueError, OverflowError, KeyError, IndexError):
        return name  # what is not even of a kind is refused like what is wrong
    return ""


def failed_standalone(data: bytes, package: bytes) -> str:
    """The name of the first check that fails of a proof of one account beside its package; empty when accepted."""
    name = "encoding"
    try:
        judged = read(package)
        need(data[:4] == b"ccs\x01", "encoding")
        for check in (certificate, roots, statement):
            name = check.__name__
            check(judged)
        name, linear = "listed", judged.linear
        found = [each for each in (linear.accounts if linear else ()) if each[2] == data[4:52]]
        need(len(found) == 1, "listed")
        assert linear is not None
        name = "solvency"
        context = tagged("crossclear/standalone/v1", commitments_root(judged))
        check_proof(replace(linear, context=context, accounts=(found[0],)), data[52:])
    except (No, TypeError, ValueError, OverflowError, KeyError, IndexError):
        return name
    return ""


def named(names: Sequence[str], items: Any) -> dict[str, Any]:
    need(isinstance(items, list) and len(items) == len(names), "encoding")
    return dict(zip(names, items, strict=True))


def read(data: bytes) -> Judged:
    try:
        items = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise No("encoding") from error
    need(packed(items) == data, "encoding")
    package = named(PACKAGE, items)
    need(package["format"] == FORMAT, "encoding")
    stated = named(STATEMENT, package["statement"])
    need(all(kind in RANGES for _, kind, _ in stated["slots"]), "encoding")
    need(all(row[1] in (1, 2) for row in stated["rows"]), "encoding")
    return Judged(package, named(HEADER, package["header"]), stated)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def tag(name: str) -> bytes:
    return sha(name.encode())


# Certificate and roots.


def certificate(judged: Judged) -> None:
    """More than two thirds of the power signed the header's hash as a precommit of its own height and set."""
    header, validators = judged.header, judged.package["validators"][0]
    kind, height, round_, value, set_hash, signers, aggregate = judged.package["certificate"]
    need(all(has_address(envelope, at, proof) for envelope, *_, at, proof in validators), "validators")
    need(len({at for *_, at, _ in validators}) == len(validators), "validators")
    envelopes = [envelope for envelope, *_ in validators]
    need(envelopes == sorted(set(envelopes)) and 0 < len(validators) <= 127, "validators")
    need(all(power > 0 and possesses(key, proof) for _, key, power, proof, *_ in validators), "validators")
    need(len({key for _, key, *_ in validators}) == len(validators), "validators")
    words = [tag("crossclear/validator-set/v1"), word(len(validators))]
    for envelope, key, power, _, at, _ in validators:
        x, y = normalize(point(key))
        words += [at + power.to_bytes(12, "big"), envelope, *(int(c).to_bytes(64, "big") for c in (x, y))]
    need(sha(*words) == header["validators_hash"] == set_hash, "validators")
    need((kind, height, value) == (2, header["height"], header_hash(header)), "certificate")
    bits = int.from_bytes(signers, "big")
    need(bits < 1 << len(validators), "certificate")
    signed = [(key, power) for i, (_, key, power, *_) in enumerate(validators) if bits >> i & 1]
    total = sum(power for _, _, power, *_ in validators)
    need(3 * sum(power for _, power in signed) > 2 * total, "certificate")
    digest = sha(
        *(tag("crossclear/vote/v1"), header["network"], set_hash, word(kind), word(height), word(round_), value)
    )
    need(all_signed(tuple(key for key, _ in signed), digest, aggregate), "certificate")


@lru_cache(maxsize=64)
def possesses(key: bytes, proof: bytes) -> bool:
    return bool(G2ProofOfPossession.PopVerify(key, proof))


@lru_cache(maxsize=64)
def has_address(envelope: bytes, address: bytes, proof: bytes) -> bool:
    """By another library than the product's."""
    digest = sha(tag("crossclear/evm-possession/v1"), envelope)
    r, s = (int.from_bytes(proof[at : at + 32], "big") for at in (0, 32))
    if len(proof) != 65 or proof[64] not in (27, 28) or not 0 < 2 * s <= SECP256K1_ORDER:
        return False
    try:
        signed = Signature(vrs=(proof[64] - 27, r, s), backend=NativeECCBackend())
        return bool(signed.recover_public_key_from_msg_hash(digest).to_canonical_address() == address)
    except (BadSignature, ValidationError):
        return False


@lru_cache(maxsize=64)
def all_signed(keys: tuple[bytes, ...], digest: bytes, aggregate: bytes) -> bool:
    return bool(G2ProofOfPossession.FastAggregateVerify(keys, digest, aggregate))


def header_hash(header: dict[str, Any]) -> bytes:
    modules = header["module_roots"]
    cursors = b"".join(word(c) + vault.rjust(32, b"\0") + word(n) for c, vault, n in header["deposit_cursors"])
    return sha(
        tag("crossclear/header/v1"),
        header["network"],
        header["parent"],
        word(header["height"]),
        word(header["time_ms"]),
        header["payload_root"],
        tagged("crossclear/state-root/v1", word(len(modules)), *modules),
        header["commitments_root"],
        word(header["commitments_height"]),
        header["withdrawals_root"],
        word(header["withdrawals_count"]),
        header["exit_root"],
        word(header["epoch"]),
        header["validators_hash"],
        header["next_validators_hash"],
        tagged("crossclear/deposit-cursors/v1", cursors),
    )


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    empty = tagged("crossclear/merkle/empty/v1")
    level = [tagged("crossclear/merkle/leaf/v1", leaf) for leaf in leaves]
    while len(level) > 1:
        level += [empty] * (len(level) % 2)
        level = [tagged("crossclear/merkle/node/v1", *level[i : i + 2]) for i in range(0, len(level), 2)]
    return tagged("crossclear/merkle/root/v1", word(len(leaves)), level[0] if level else empty)


def commitments_root(judged: Judged) -> bytes:
    leaves = [word(account) + c_w for account, c_w in judged.package["commitments"]]
    stated = tagged("crossclear/risk-snapshot/v1", packed(judged.package["statement"]))
    return tagged("crossclear/commitments-root/v1", stated, word(judged.package["domain"]), merkle_root(leaves))


def sizes(judged: Judged) -> None:
    """Lengths fit counts: what an account or a slot costs is paid for in bytes."""
    stated, package = judged.statement, judged.package
    count = len(package["commitments"])
    for proof, parts in ((package["proof"], count), (package["house"] or bytes(128 + 320), 1)):
        need(not parts or len(proof) in {320 + 128 * parts * columns for columns in range(1, 17)}, "linear proof")
    need(len(package["book"]) == 48 + 32 * (2 + sum(kind not in PUBLIC for _, kind, _ in stated["slots"])), "book")
    stresses = sum(kind == UNCOVERED for _, kind, _ in stated["slots"])
    need(len(package["cover"]) <= stresses * (48 + 2048) + 320 + 224 + 2048 + 320, "cover")
    need(len(stated["shortfalls"]) <= count and len(stated["totals"]) <= len(stated["slots"]), "lists")
    for _, _, members, deficits in stated["cover"]:
        need(len(members) <= count and len(deficits) <= len(stated["slots"]), "cover terms")


def roots(judged: Judged) -> None:
    header, stated = judged.header, judged.statement
    need(commitments_root(judged) == header["commitments_root"], "root")
    need(stated["height"] == header["commitments_height"] < header["height"], "height")
    need(stated["network"] == header["network"], "network")
    need(stated["epoch"] == header["epoch"], "epoch")
    commitments = [c_w for _, c_w in judged.package["commitments"]]
    need(len(set(commitments)) == len(commitments), "commitments")


# Statement and joint proof.


def statement(judged: Judged) -> None:
    """Names, totals and lists fit each other. Not judged: whether the rows are the whole rule."""
    stated, package = judged.statement, judged.package
    need(package["srs"] == CEREMONY, "srs")
    slots, rows, listed = stated["slots"], stated["rows"], dict(map(tuple, stated["shortfalls"]))
    need(len({name for name, _, _ in slots}) == len(slots) and len({row[0] for row in rows}) == len(rows), "names")
    need([slot for slot, _ in stated["totals"]] == [j for j, slot in enumerate(slots) if slot[1] in PUBLIC], "totals")
    need([a for a, _ in stated["shortfalls"]] == sorted(listed) and all(listed.values()), "shortfalls")
    accounts = [account for account, _ in package["commitments"]]
    need(set(listed) <= set(accounts), "shortfalls")
    judged.linear = PlainStatement(
        package["domain"],
        tuple(RANGES[kind] for _, kind, _ in slots),
        tuple((8 if kind == 1 else 0, tuple(map(tuple, a)), b, counts) for _, kind, a, b, counts in rows),
        commitments_root(judged),
        tuple((account, listed.get(account, 0), c_w) for account, c_w in package["commitments"]),
    )
    need(accounts == sorted(set(accounts)) and bool(accounts), "accounts")


def ranges_and_rows(judged: Judged) -> None:
    assert judged.linear is not None
    judged.script = check_proof(judged.linear, judged.package["proof"])


# The book.


@lru_cache(maxsize=1)
def powers() -> list[str]:
    """The ceremony's powers of τ in G₁, in hex."""
    name = "eth_account/typed_transactions/blob_transactions/kzg_trusted_setup.txt"
    data = Path(str(distribution("eth-account").locate_file(name))).read_bytes()
    assert sha(data) == CEREMONY
    return data.decode().split("\n")[2 + 4096 + 65 :][:4096]


@lru_cache(maxsize=4096)
def power(i: int) -> Any:
    return decompress_G1(int(powers()[i], 16))


def commit(n: int, values: dict[int, int], hiding: Sequence[int]) -> Any:
    """Σ values_j [L_j] + Σ hiding_i [Xⁱ Z_H], by the coefficients of that polynomial."""
    w = pow(omega(n), -1, P)
    coefficients = [sum(v * pow(w, i * j, P) for j, v in values.items()) * pow(n, -1, P) % P for i in range(n)]
    coefficients += [0] * len(hiding)
    for i, value in enumerate(hiding):
        coefficients[i] -= value
        coefficients[n + i] += value
    return combine([(power(i), value) for i, value in enumerate(coefficients) if value % P])


def committed(n: int, values: Sequence[int], seed: bytes, bound: Sequence[bytes | int]) -> bytes:
    """C_W of holdings and a seed. `bound`: network, account, owner, epoch, state root, column."""
    key = hmac.digest(bytes(32), seed, "sha256")
    hiding = []
    for i in range(2):
        parts = [item.rjust(32, b"\0") if isinstance(item, bytes) else word(item) for item in (*bound, i)]
        info = b"crossclear/proofs/blinder/v2" + b"".join(parts)
        first = hmac.digest(key, info + b"\1", "sha256")
        hiding.append(number(first + hmac.digest(key, first + info + b"\2", "sha256")) % P)
    return bytes(G1_to_pubkey(commit(n, dict(enumerate(values)), hiding)))


def matched_book(judged: Judged) -> None:
    """Σ z_i·B_i = R + e·(Σ C_W − Σ total_j·[L_j])."""
    stated, data, n = judged.statement, judged.package["book"], judged.package["domain"]
    slots = stated["slots"]
    hidden = [j for j, (_, kind, _) in enumerate(slots) if kind not in PUBLIC]
    need(all(total == 0 for j, total in stated["totals"] if slots[j][1] == POSITION), "instrument")
    need(len(data) == 48 + 32 * (2 + len(hidden)), "length")
    answers = [int.from_bytes(data[at : at + 32], "big") for at in range(48, len(data), 32)]
    need(max(answers) < P, "scalar")
    assert judged.script is not None
    own = judged.script.fork("crossclear/book/v1")
    for slot in hidden:
        own.number("auxiliary", slot)
    for slot, total in stated["totals"]:
        own.number("slot", slot)
        own.number("total", total % P, "scalar")
    own.put("R", "point", data[:48])
    e = own.draw("e")
    values = dict(zip(hidden, answers[2:], strict=True)) | {j: e * total for j, total in stated["totals"]}
    commitments = tuple(c_w for _, c_w in judged.package["commitments"])
    need(opened(n, tuple(values.items()), tuple(answers[:2]), commitments, e, data[:48]), "book")


@lru_cache(maxsize=64)
def opened(
    n: int,
    values: tuple[tuple[int, int], ...],
    hiding: tuple[int, ...],
    commitments: tuple[bytes, ...],
    e: int,
    r: bytes,
) -> bool:
    right = combine([(point(r), 1), *((point(c_w), e) for c_w in commitments)])
    return bool(eq(commit(n, dict(values), hiding), right))


def cover(judged: Judged) -> None:
    assert judged.linear is not None
    assert judged.script is not None
    check_cover(judged.statement, judged.linear, judged.package["cover"], judged.script)


def house(judged: Judged) -> None:
    """Every cash slot of account 0 is in [0, 2^64), by a linear proof in which nothing else has digits."""
    linear, data = judged.linear, judged.package["house"]
    assert linear is not None
    assert judged.script is not None
    slots = judged.statement["slots"]
    rows = tuple((8, ((j, 1),), 0, False) for j, slot in enumerate(slots) if slot[1] == 1)
    own = [each for each in linear.accounts if each[0] == 0]
    if not data or not own or not rows:
        need(not data, "house")
        return
    context = judged.script.fork("crossclear/house/v1").draw("context").to_bytes(32, "big")
    free = ((0, 0),) * len(slots)
    accounts = ((0, 0, own[0][2]),)
    check_proof(PlainStatement(linear.n, free, rows, context, accounts, ranged_elsewhere=True), data)


# Reserves and custody.


def terms(judged: Judged) -> list[dict[str, Any]]:
    return [named(TERM, items) for items in judged.statement["custody"]]


def reserves(judged: Judged) -> None:
    held: dict[int, int] = {}
    for term in terms(judged):
        accounted = number(term["deposited"]) - number(term["withdrawn"])
        others = sum(number(term[name]) for name in ("released", "later", "strays", "dust"))
        need(term["held"] * term["unit"] + others == accounted, "reserves")
        # What a vault lacks of collateral is stated. The token's haircut takes it, a rule, which this does not read.
        need(judged.statement["slots"][term["slot"]][1] != CASH or accounted <= number(term["balance"]), "reserves")
        held[term["slot"]] = held.get(term["slot"], 0) + term["held"]
    for slot, total in judged.statement["totals"]:
        if judged.statement["slots"][slot][1] != POSITION:
            need(total == held.get(slot, 0), "reserves")


def custody(judged: Judged) -> None:
    """Each block's evidence says what the terms of that block state, and shows no node that is not needed."""
    blocks: dict[tuple[int, bytes], list[dict[str, Any]]] = {}
    for term in terms(judged):
        blocks.setdefault((term["chain_id"], term["block_hash"]), []).append(term)
    order, last = list(blocks), -1
    for chain, header, nodes in judged.package["custody"]:
        block = (chain, hashed(header))
        need(block in blocks and order.index(block) > last, "stray")
        last = order.index(block)
        state = State(header, nodes)
        for term in blocks[block]:
            check_term(state, term)
        need(state.used == nodes, "nodes")


def check_term(state: State, term: dict[str, Any]) -> None:
    vault = state.account(term["vault"])
    need(vault is not None and state.number == term["block_number"], "vault")
    for mapping, name in ((9, "deposited"), (10, "withdrawn")):
        place = hashed(term["token"].rjust(32, b"\0") + word(mapping))
        need(state.word(vault[2], place) == number(term[name]), name)
    order, slot, bits = term["balances"]
    if term["token"] == bytes(20):
        need(number(vault[1]) == number(term["balance"]), "balance")
    elif order:
        token = state.account(term["token"])
        need(token is not None, "token")
        owner = term["vault"].rjust(32, b"\0")
        place = hashed(owner + slot if order == 1 else slot + owner)
        need(state.word(token[2], place) % (1 << bits) == number(term["balance"]), "balance")
