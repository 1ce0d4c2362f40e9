"""What was written from the specification proves what the verifier here accepts, and judges proofs on chain alike.

It is in `tests/vectors/proofs/runner` and shares nothing with the code.
"""

import json

import pytest
from msgspec.structs import replace

from clearing.base.codec import encode
from proofs.algebra.srs import CEREMONY_SHA256
from proofs.epoch.package import FORMAT, EpochPackage, write_package
from proofs.epoch.prover import commit_epoch
from proofs.errors import VerificationFailed
from proofs.linear.layout import RowRange, SlotRange, lay_out
from proofs.linear.statement import LinearStatement
from proofs.linear.verifier import verify
from proofs.onchain.keys import certified_digest, digit_blinders
from proofs.onchain.presentation import Audience, check_presentation, present, presentation_digest
from proofs.onchain.verifier import verify_leaf
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs import small_market as market
from tests.kit.proofs import stressed
from tests.kit.proofs.counted import BOOK, MEMBERS, VECTORS
from tests.kit.proofs.onchain_epoch import ROWS, SLOTS, make_epoch
from tests.vectors.proofs.runner import further, linear, onchain, prover
from tests.vectors.proofs.runner import verify as verify_pages
from tests.vectors.proofs.runner.encoding import P, Reader, Refused
from tests.vectors.proofs.runner.package_prover import Account, PackageProver
from tests.vectors.proofs.runner.transcript import Transcript

VALUES, BLINDERS, SIGMAS = ((1000, 5, -1), (700, 1, 1)), ((3, 4), (5, 6)), (0, 200)
CONTEXT = bytes(range(32))


def specified(slots: tuple[SlotRange, ...], rows: tuple[RowRange, ...], size: int = 256) -> linear.Layout:
    of_rows = [(row.width, row.coefficients, row.constant, row.shortfall) for row in rows]
    return linear.lay_out(size, [(slot.width, slot.offset) for slot in slots], of_rows)


@pytest.mark.parametrize(("times", "columns"), [(1, 1), (24, 2)])
def test_a_proof_made_from_the_pages_is_accepted_and_a_bent_one_is_not(times, columns):
    rows = ROWS * times
    layout = specified(SLOTS, rows)
    assert layout.columns == columns
    committed = [prover.commit(values, hidden, 256) for values, hidden in zip(VALUES, BLINDERS, strict=True)]
    stated = linear.Statement(layout, CONTEXT, list(zip((1, 7), SIGMAS, committed, strict=True)))
    proof = prover.prove(stated, VALUES, BLINDERS)
    statement = LinearStatement(lay_out(256, SLOTS, rows), CONTEXT, (1, 7), SIGMAS, tuple(committed))
    assert verify(statement, proof).challenge("after") == linear.verify(stated, proof).draw("after")
    bent = proof[:-200] + bytes([proof[-200] ^ 1]) + proof[-199:]
    with pytest.raises(VerificationFailed):
        verify(statement, bent)


def test_the_specified_prover_stops_at_a_row_that_does_not_hold():
    layout = specified(SLOTS, ROWS)
    committed = prover.commit((0, 0, 1), (3, 4), 256)
    with pytest.raises(Refused) as found:
        prover.prove(linear.Statement(layout, CONTEXT, [(1, 0, committed)]), [(0, 0, 1)], [(3, 4)])
    assert found.value.args[0] == "WITNESS_OUT_OF_RANGE"


@pytest.fixture(scope="module")
def shot():
    """Accounts with owners, under stress scenarios, a house and a fund."""
    found = stressed.snapshot_of(BOOK, MEMBERS)
    accounts = [
        replace(each, owner=bytes([each.account]) * 20 if each.account else bytes(20)) for each in found.accounts
    ]
    return replace(found, accounts=tuple(accounts))


def test_a_whole_package_whose_proofs_were_made_from_the_pages_is_accepted(shot):
    stated = Reader(encode(shot.statement)).whole("`RiskStatement`")
    names = [slot.name for slot in shot.statement.slots if slot.is_public]
    seeds = stressed.seeds_of([each.account for each in shot.accounts])
    accounts = [
        Account(each.account, each.owner, seeds[each.account], dict(zip(names, each.values, strict=True)))
        for each in shot.accounts
    ]
    made = PackageProver(stated, market.N, accounts)
    commitments = tuple(made.c_w.items())
    assert commitments == commit_epoch(shot, seeds, market.N)
    root = verify_pages.commitments_root(stated, market.N, list(commitments))
    height = shot.statement.height
    header, certificate, validators = market.certified(
        root, height=height + 3, commitments_height=height, epoch=shot.statement.epoch
    )
    parts = made.prove(root)
    assert all(parts.values())
    data = write_package(
        EpochPackage(
            FORMAT,
            header,
            certificate,
            validators,
            CEREMONY_SHA256,
            market.N,
            shot.statement,
            commitments,
            parts["proof"],
            parts["book"],
            parts["cover"],
            (),
            parts["house"],
        )
    )
    assert verify_package(data).failed is None
    assert verify_pages.failed_check(data) == ("", "")


def test_the_example_of_a_transcript_and_the_basis_are_the_frozen_ones():
    primitives = json.loads((VECTORS / "primitives.json").read_text())
    transcript = Transcript("crossclear/vector/v1")
    transcript.absorb("bytes", "bytes", b"abc")
    transcript.integer("integer", 2**255)
    transcript.scalar("scalar", P - 1)
    assert transcript.draw("challenge") == int(primitives["challenge"], 16)
    assert transcript.fork("fork").draw("challenge") == int(primitives["fork"], 16)
    for found, name in ((further.lagrange_point(2048, 1), "lagrange_1"), (further.hiding_point(2048, 1), "hiding_1")):
        assert bytes(found.to_compressed_bytes()).hex() == primitives[name]


@pytest.fixture(scope="module")
def epoch():
    return make_epoch()


def test_keys_and_digests_for_a_contract_are_the_specified_ones(epoch):
    keys = specified_keys(epoch)
    assert keys.words == epoch.keys.words
    own = onchain.certified_digest(keys, epoch.statement.network, CONTEXT, 1_584_000_000)
    assert own == certified_digest(epoch.keys, CONTEXT, 1_584_000_000)


def test_leaves_have_the_specified_blinders_and_presenters(epoch):
    root = epoch.statement.linear.context
    for leaf, seed in zip(epoch.leaves, epoch.seeds, strict=True):
        assert onchain.presenter_of(seed, root, leaf.account) == leaf.presenter
        purpose, binding = b"digits", root + leaf.account.to_bytes(32, "big") + bytes(32)
        assert onchain.derived_scalars(seed, purpose, binding, 2) == digit_blinders(seed, root, leaf.account, 0)


def test_a_presentation_is_judged_alike(epoch):
    keys, (leaf, *_), (own, *_) = specified_keys(epoch), epoch.leaves, specified_leaves(epoch)
    audience = Audience(31337, b"\1" * 20, b"\2" * 20, b"\3" * 32)
    shown = present(audience, epoch.keys.hash, leaf, epoch.seeds[0], epoch.statement.linear.context)
    check_presentation(shown, epoch.keys.hash, leaf)
    assert presentation_digest(audience, epoch.keys.hash, leaf.hash) == digest_of(audience, keys, own)
    onchain.check_presentation(digest_of(audience, keys, own), shown.r, shown.vs, own)
    for other in (replace(audience, caller=b"\4" * 20), replace(audience, purpose=bytes(32))):
        with pytest.raises(VerificationFailed) as theirs:
            check_presentation(replace(shown, audience=other), epoch.keys.hash, leaf)
        with pytest.raises(Refused) as ours:
            onchain.check_presentation(digest_of(other, keys, own), shown.r, shown.vs, own)
        assert ours.value.args[0] == theirs.value.code.name == "NOT_PRESENTED"


def digest_of(audience, keys, leaf):
    named = (audience.chain_id, audience.verifier, audience.caller, audience.purpose)
    return onchain.presentation_digest(*named, keys, leaf)


def test_proofs_for_a_contract_are_judged_alike(epoch):
    keys = specified_keys(epoch)
    for index, leaf in enumerate(specified_leaves(epoch)):
        proof = epoch.prove(index)
        verify_leaf(epoch.keys, epoch.leaves[index], proof)
        onchain.verify(keys, leaf, proof)
        for place in range(20, len(proof), 251):
            bent = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
            with pytest.raises(VerificationFailed) as theirs:
                verify_leaf(epoch.keys, epoch.leaves[index], bent)
            with pytest.raises(Refused) as ours:
                onchain.verify(keys, leaf, bent)
            assert ours.value.args[0] == theirs.value.code.name


def specified_leaves(epoch):
    return [
        onchain.Leaf(leaf.account, leaf.shortfall, leaf.presenter, leaf.c_w, list(leaf.c_d)) for leaf in epoch.leaves
    ]


def specified_keys(epoch):
    stated, table = epoch.statement, epoch.statement.linear.layout.table
    layout = specified(table.slots, table.rows, table.size)
    leaves = specified_leaves(epoch)
    return onchain.derive_keys(stated.network, stated.epoch, stated.height, stated.linear.context, layout, leaves)
