"""Custody, cover, house, own accounts, standalone proofs and signed answers that a verifier must refuse."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace as with_fields

from clearing.base import ed25519
from clearing.base.codec import encode, u256
from proofs.algebra.field import ORDER
from proofs.algebra.srs import CEREMONY_SHA256, basis
from proofs.cover.verifier import LINK_BYTES
from proofs.epoch.matched_book import open_book
from proofs.epoch.package import (
    FORMAT,
    EpochPackage,
    attach_custody,
    commitments_root,
    linear_statement,
    read_package,
    write_package,
)
from proofs.epoch.prover import commit_epoch
from proofs.linear.prover import prove
from proofs.statement.arithmetization import auxiliary_slots
from proofs.verify.signed_inclusion import NO_SIGNATURE, SignedInclusion, read_answer, sign_inclusion
from proofs.verify.standalone import AccountStatements, StandaloneProof, write_standalone
from proofs.verify.verdict import OwnAccount
from tests.kit.proofs import small_market as market
from tests.kit.proofs.counted import NODE_SECRET, PLACE, counted_scalars
from tests.kit.proofs.negatives.making import (
    SMALL,
    WHOLE,
    certified,
    frozen,
    fund_seeds,
    fund_shot,
    proven,
    read,
    refused,
    replace,
    witnesses,
)
from tests.kit.proofs.negatives.of_certificate import INFINITY_1, NO_POINT
from tests.kit.proofs.proven_custody import chains_of
from tests.kit.proofs.proven_custody import proven as with_evidence
from tests.kit.proofs.vector_files import Trust, Vector


def vectors() -> Iterator[Vector]:
    """Of the checks `custody`, `cover`, `house` and `inclusion`, of standalone proofs and of answers."""
    yield from _custody()
    yield from _cover()
    yield from _house()
    yield from _inclusion()
    yield from _standalone()
    yield from _answers()


def _custody() -> Iterator[Vector]:
    good, of = read(WHOLE), {"base": WHOLE}
    first, second = good.custody
    stray, unproven = ("custody", "CUSTODY_STRAY"), ("custody", "CUSTODY_NOT_PROVEN")
    yield refused(
        "evidence-out-of-order",
        "the blocks of `custody` are exchanged",
        *stray,
        replace(good, custody=(second, first)),
        **of,
    )
    yield refused(
        "evidence-twice",
        "the first block of `custody` stands twice",
        *stray,
        replace(good, custody=(first, first, second)),
        **of,
    )
    yield refused(
        "evidence-of-no-block",
        "a byte of the first block's header is changed",
        *stray,
        replace(good, custody=(replace(first, header=first.header[:-1] + bytes([first.header[-1] ^ 1])), second)),
        **of,
    )
    yield refused(
        "evidence-of-another-chain",
        "the first block of `custody` is called chain 5's",
        *stray,
        replace(good, custody=(replace(first, chain_id=5), second)),
        **of,
    )
    node = first.nodes[0]
    yield refused(
        "node-changed",
        "a byte of the first node is changed",
        *unproven,
        replace(good, custody=(replace(first, nodes=(node[:-1] + bytes([node[-1] ^ 1]), *first.nodes[1:])), second)),
        **of,
    )
    yield refused(
        "node-missing",
        "the last node is missing",
        *unproven,
        replace(good, custody=(replace(first, nodes=first.nodes[:-1]), second)),
        **of,
    )
    yield refused(
        "node-not-used",
        "the last node stands twice",
        *unproven,
        replace(good, custody=(replace(first, nodes=(*first.nodes, first.nodes[-1])), second)),
        **of,
    )
    yield refused(
        "deposits-that-the-chain-does-not-have",
        "a quorum certifies 500 more deposited and withdrawn than the block has; certified and proven",
        "custody",
        "CUSTODY_DIFFERS",
        _other_counters(),
        **of,
    )


def _other_counters() -> bytes:
    shot = fund_shot()
    true = [replace(term, balances=PLACE) for term in shot.statement.custody]
    moved = [
        replace(term, deposited=u256(_n(term.deposited) + 500), withdrawn=u256(_n(term.withdrawn) + 500))
        for term in true
    ]
    stated, evidence = with_evidence(replace(shot.statement, custody=tuple(true)), chains_of(true))
    lied = tuple(replace(term, block_hash=own.block_hash) for term, own in zip(moved, stated.custody, strict=True))
    shot = replace(shot, statement=replace(stated, custody=lied))
    return attach_custody(proven(shot, seeds=fund_seeds()), evidence)


def _n(word: bytes) -> int:
    return int.from_bytes(word, "big")


def _cover() -> Iterator[Vector]:
    good, of = read(WHOLE), {"base": WHOLE}
    cover, by = good.cover, "cover"
    terms = good.statement.cover[0]

    def at(place: int, data: bytes) -> Any:
        return replace(good, cover=cover[:place] + data + cover[place + len(data) :])

    yield refused(
        "cover-stripped",
        "`cover` is empty, though stress scenarios are stated",
        by,
        "FUND_NOT_COVERED",
        replace(good, cover=b""),
        **of,
    )
    yield refused(
        "cover-cut", "the last byte of `cover` is missing", by, "BAD_LENGTH", replace(good, cover=cover[:-1]), **of
    )
    yield refused(
        "cover-with-no-point", "the first C_V is no point of the curve", by, "BAD_POINT", at(0, NO_POINT), **of
    )
    scenarios = len(terms.deficits)
    joint = 48 * scenarios
    yield refused(
        "cover-with-a-large-scalar",
        "the first D(ζ) of the proof about the vectors is 2^256 − 1",
        by,
        "BAD_SCALAR",
        at(joint + 96, b"\xff" * 32),
        **of,
    )
    value = (_n(cover[joint + 96 : joint + 128]) + 1) % ORDER
    yield refused(
        "cover-with-another-evaluation",
        "the first D(ζ) of the proof about the vectors is one more",
        by,
        "PROOF_REFUSED",
        at(joint + 96, u256(value)),
        **of,
    )
    link = len(cover) - (128 + 320) - LINK_BYTES  # the backing is of one account in one column
    value = (_n(cover[link + 96 : link + 128]) + 1) % ORDER
    yield refused(
        "link-with-another-evaluation",
        "G(ωζ) of the link is one more",
        by,
        "FUND_NOT_COVERED",
        at(link + 96, u256(value)),
        **of,
    )
    yield refused(
        "backing-with-exchanged-openings",
        "π_1 and π_2 of the backing are exchanged",
        by,
        "PROOF_REFUSED",
        replace(good, cover=cover[:-96] + cover[-48:] + cover[-96:-48]),
        **of,
    )
    yield refused(
        "cover-where-nothing-is-stated",
        "`cover` has bytes, and no stress scenario is stated",
        by,
        "BAD_STATEMENT",
        replace(read(), cover=b"\0"),
    )
    members = tuple((account, member) for account, member in terms.members if account != 5)
    yield refused("member-left-out", "an account is missing among `members`, certified", *_of_terms(members))
    yield refused(
        "fund-account-a-member",
        "the fund's account is among `members`, certified",
        *_of_terms(((0, 9), *terms.members)),
    )


def _of_terms(members: tuple[tuple[int, int], ...]) -> tuple[str, str, bytes]:
    """The package certified anew with other members; proven anew but for the cover proof, which is the old one."""
    shot = fund_shot()
    terms = shot.statement.cover[0]
    return (
        "cover",
        "BAD_STATEMENT",
        _without_cover(replace(shot, statement=replace(shot.statement, cover=(replace(terms, members=members),)))),
    )


def _without_cover(shot: Any) -> bytes:
    stated, scalars = shot.statement, counted_scalars()
    own = witnesses(shot, fund_seeds(), {})
    commitments = commit_epoch(shot, fund_seeds(), market.N)
    head = market.certified(commitments_root(stated, commitments, market.N))
    proof, transcript = prove(linear_statement(stated, commitments, market.N), own, scalars=scalars)
    exponents = [sum(each.blinders[i] for each in own) for i in range(2)]
    auxiliary = auxiliary_slots(stated)
    exponents += [sum(each.values[slot] for each in own) for slot in auxiliary]
    totals = [(total.slot, total.total) for total in stated.totals]
    book = open_book(basis(market.N), auxiliary, totals, exponents, transcript, scalars)
    parts = (FORMAT, *head, CEREMONY_SHA256, market.N, stated, commitments, proof, book, b"\0")
    return write_package(EpochPackage(*parts))


OWING = ((0, (-5_000, 10_000, 0, 3)), (1, (19_000, 40, -2, 0)), (5, (2_000, 700, 2, -3)))


def _house() -> Iterator[Vector]:
    good, by = read(), "house"
    house = good.house

    def at(place: int, data: bytes) -> Any:
        return replace(good, house=house[:place] + data + house[place + len(data) :])

    yield refused("house-with-infinity", "C_D of `house` is infinity", by, "BAD_POINT", at(0, INFINITY_1))
    yield refused("house-with-a-large-scalar", "D(ζ) of `house` is 2^256 − 1", by, "BAD_SCALAR", at(96, b"\xff" * 32))
    yield refused(
        "house-with-another-evaluation",
        "D(ζ) of `house` is one more",
        by,
        "PROOF_REFUSED",
        at(96, u256((_n(house[96:128]) + 1) % ORDER)),
    )
    yield refused(
        "house-of-two-columns",
        "`house` has the length of two columns, its layout has one",
        by,
        "BAD_LENGTH",
        replace(good, house=bytes(2 * 128 + 320)),
    )
    other = read_package(_other_state())
    yield refused(
        "house-of-another-snapshot",
        "`house` is that of the same account under another state root",
        by,
        "PROOF_REFUSED",
        replace(good, house=other.house),
    )
    no_house = ((1, (9_000, 40, -2, 0)), (2, (5_000, 10, 0, 3)), (5, (2_000, 700, 2, -3)))
    shot = market.snapshot(no_house)
    made = read_package(proven(shot))
    yield refused(
        "house-of-nobody",
        "`house` is a proof, and there is no account 0; certified and proven",
        by,
        "BAD_STATEMENT",
        replace(made, house=house),
    )
    owes = read_package(proven(market.snapshot(OWING)))
    yield refused(
        "house-that-owes",
        "account 0 owes 5,000 micros; `house` is a proof of another package",
        by,
        "PROOF_REFUSED",
        replace(owes, house=house),
    )


def _other_state() -> bytes:
    shot = market.snapshot()
    return proven(replace(shot, statement=replace(shot.statement, state_root=bytes([8]) * 32)))


def own_account(
    account: int = 1, values: tuple[int, ...] | None = None, seed: bytes | None = None, owner: bytes | None = None
) -> Trust:
    known = dict(market.HOLDINGS).get(account, dict(market.HOLDINGS)[1])
    return Trust(
        own=OwnAccount(
            account,
            known if values is None else values,
            market.seeds()[1] if seed is None else seed,
            market.owner(1) if owner is None else owner,
        )
    )


def _inclusion() -> Iterator[Vector]:
    data, missing = frozen(SMALL), ("inclusion", "NOT_INCLUDED")
    yield refused(
        "holdings-of-one-more",
        "the caller has one micro more",
        *missing,
        data,
        trust=own_account(values=(9_001, 40, -2, 0)),
    )
    yield refused("another-seed", "the caller's seed is another one", *missing, data, trust=own_account(seed=bytes(32)))
    yield refused(
        "another-owner",
        "the caller's address is another one: the leaf was made for somebody else",
        *missing,
        data,
        trust=own_account(owner=market.owner(5)),
    )
    yield refused(
        "no-owner",
        "the commitment is of an account of the ledger itself, by its owner",
        *missing,
        data,
        trust=own_account(owner=bytes(20)),
    )
    yield refused(
        "account-not-there", "the caller's account is not in the list", *missing, data, trust=own_account(account=7)
    )


def _standalone() -> Iterator[Vector]:
    data, alone = frozen(SMALL), frozen("account-1.ccs")

    def shown(
        name: str, changed: str, by: str, code: str, file: bytes, package: bytes = data, base: str = SMALL
    ) -> Vector:
        return refused(
            name, changed, by, code, package, base=base, kind="standalone", file=file, file_base="account-1.ccs"
        )

    yield shown("alone-cut", "the last byte of the standalone proof is missing", "encoding", "MALFORMED", alone[:-1])
    yield shown(
        "alone-of-another-version", "its first bytes are ccs and 02", "encoding", "MALFORMED", b"ccs\x02" + alone[4:]
    )
    yield shown(
        "alone-of-no-account",
        "C_W is a point that is nobody's in the list",
        "listed",
        "NOT_INCLUDED",
        alone[:4] + alone[52:100] + alone[52:],
    )
    yield shown(
        "alone-of-another-package",
        "the package is another epoch's",
        "listed",
        "NOT_INCLUDED",
        alone,
        frozen(WHOLE),
        WHOLE,
    )
    yield shown(
        "alone-for-another-account",
        "C_W is that of account 5, the proof of account 1",
        "solvency",
        "PROOF_REFUSED",
        alone[:4] + read().commitments[2][1] + alone[52:],
    )
    yield shown(
        "alone-with-another-evaluation",
        "D(ζ) is one more",
        "solvency",
        "PROOF_REFUSED",
        alone[:148] + u256((_n(alone[148:180]) + 1) % ORDER) + alone[180:],
    )
    yield shown(
        "alone-with-infinity", "C_D is infinity", "solvency", "BAD_POINT", alone[:52] + INFINITY_1 + alone[100:]
    )
    yield shown(
        "alone-with-a-large-scalar",
        "D(ζ) is 2^256 − 1",
        "solvency",
        "BAD_SCALAR",
        alone[:148] + b"\xff" * 32 + alone[180:],
    )
    yield shown(
        "alone-of-two-columns",
        "the proof has the length of two columns, the layout has one",
        "solvency",
        "BAD_LENGTH",
        alone[:52] + bytes(2 * 128 + 320),
    )
    lone = market.snapshot(((1, (9_000, 40, 0, 0)),))
    joint = proven(lone)
    read_one = read_package(joint)
    yield shown(
        "joint-proof-as-a-standalone-one",
        "the package has one account, and the file its joint proof",
        "solvency",
        "PROOF_REFUSED",
        write_standalone(StandaloneProof(read_one.commitments[0][1], read_one.proof)),
        joint,
    )
    cheat = market.snapshot()
    owned = {each.account: bytes([each.account + 1]) * 32 for each in cheat.accounts}
    poor = witnesses(cheat, owned, {1: {market.CASH: -9_000}})
    package = proven(cheat, values={1: {market.CASH: -9_000}})
    statement = AccountStatements(read_package(package)).of(1)
    forged, _ = prove(statement, [poor[1]], check_witness=False, scalars=counted_scalars())
    yield shown(
        "alone-and-insolvent",
        "the account breaks a row; committed, certified, and proven without a check",
        "solvency",
        "PROOF_REFUSED",
        write_standalone(StandaloneProof(statement.commitments[0], forged)),
        package,
    )
    unsigned = replace(read(), statement=replace(read().statement, state_root=bytes(32)))
    yield shown(
        "alone-beside-an-uncertified-package",
        "the package's `state_root` is changed after the signatures",
        "roots",
        "WRONG_ROOT",
        alone,
        write_package(unsigned),
    )
    yield shown(
        "alone-beside-softer-rules",
        "the package's statement lacks a row, certified",
        "statement",
        "BAD_STATEMENT",
        alone,
        certified({"statement": replace(read().statement, rows=read().statement.rows[1:])}),
    )


def _answers() -> Iterator[Vector]:
    data = frozen("answer.cci")
    good = read_answer(data)

    def shown(
        name: str, changed: str, by: str, code: str, file: bytes, contradiction: str = "", package: bytes | None = None
    ) -> Vector:
        return refused(
            name,
            changed,
            by,
            code,
            package or frozen(SMALL),
            kind="answer",
            file=file,
            file_base="answer.cci",
            contradiction=contradiction,
        )

    def signed(**changes: Any) -> bytes:
        answer: SignedInclusion = with_fields(good, signature=NO_SIGNATURE, **changes)
        return encode(sign_inclusion(answer, lambda digest: ed25519.sign(NODE_SECRET, digest)))

    yield shown("answer-cut", "the last byte is missing", "encoding", "MALFORMED", data[:-1])
    yield shown(
        "answer-not-signed",
        "the account is 5, and the signature of another answer",
        "answer",
        "BAD_ANSWER",
        encode(with_fields(good, account=5)),
    )
    yield shown(
        "answer-of-another-signer",
        "the signer is another key",
        "answer",
        "BAD_ANSWER",
        encode(with_fields(good, signer=ed25519.public_key(bytes([0x32]) * 32))),
    )
    yield shown("answer-of-another-epoch", "the answer is of epoch 5, signed", "answer", "BAD_ANSWER", signed(epoch=5))
    yield shown(
        "answer-of-another-network",
        "the answer is of another network, signed",
        "answer",
        "BAD_ANSWER",
        signed(network=bytes(32)),
    )
    unsigned = replace(read(), statement=replace(read().statement, state_root=bytes(32)))
    yield shown(
        "answer-beside-an-uncertified-package",
        "the package's `state_root` is changed after the signatures",
        "roots",
        "WRONG_ROOT",
        data,
        package=write_package(unsigned),
    )
    says = ("", "")
    yield shown(
        "answer-with-another-seed",
        "the node signed another seed than it committed to",
        *says,
        signed(seed=bytes(32)),
        "commitment",
    )
    yield shown(
        "answer-with-another-owner",
        "the node signed an owner whom the leaf is not made for: two members shown one leaf",
        *says,
        signed(owner=market.owner(5)),
        "commitment",
    )
    yield shown(
        "answer-of-an-account-not-there",
        "the node signed an account that the list lacks",
        *says,
        signed(account=7),
        "account",
    )
    yield shown(
        "answer-of-another-height", "the node signed another height of the snapshot", *says, signed(height=41), "height"
    )
    yield shown(
        "answer-with-a-slot-not-there",
        "the node signed an amount in a slot that is not public",
        *says,
        signed(holdings=(("max:BTC", 1),)),
        "holdings",
    )
