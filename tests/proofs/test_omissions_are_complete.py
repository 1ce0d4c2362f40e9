"""No item is absorbed without a test that leaves it out: the list is held against what verifiers really absorb."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from proofs.algebra.transcript import Transcript
from proofs.linear.verifier import verify_batch
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.named import functions
from tests.kit.proofs.omissions import PER_ACCOUNT, SHARED, honest
from tests.kit.proofs.stressed import LEVERED, MEMBERS, snapshot_of

FILES = ("transcript_omissions", "book_omissions", "cover_omissions", "house_owes_nothing")
_MESSAGE = "test_without_one_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it"
_OF_ACCOUNT = "test_without_one_accounts_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it"
_LINK = "test_without_one_message_of_the_link_a_fund_covers_members_who_lack_nothing_by_its_word"

LEFT_OUT = {
    ("crossclear/linear/v1", "protocol"): "test_without_the_protocol_a_proof_for_a_drill_passes_for_a_real_one",
    ("crossclear/linear/v1", "srs"): (
        "test_without_the_reference_string_a_proof_passes_for_commitments_in_another_basis"
    ),
    ("crossclear/linear/v1", "n"): "test_a_domain_left_out_with_its_layout_is_chosen_after_the_challenges",
    ("crossclear/linear/v1", "layout"): _MESSAGE,
    ("crossclear/linear/v1", "context"): "test_without_the_context_a_proof_of_one_epoch_passes_for_another",
    ("crossclear/linear/v1", "accounts"): "test_each_accounts_own_items_tell_how_many_there_are",
    ("crossclear/linear/v1", "account"): "test_without_the_account_one_accounts_proof_passes_for_another_account",
    ("crossclear/linear/v1", "sigma"): "test_shortfalls_left_out_are_chosen_after_the_challenges",
    **{("crossclear/linear/v1", item): _OF_ACCOUNT for item in PER_ACCOUNT},
    **{("crossclear/linear/v1", item): _MESSAGE for item in SHARED},
    ("crossclear/book/v1", "protocol"): (
        "test_without_the_protocol_an_opening_given_to_another_program_passes_for_a_book"
    ),
    ("crossclear/book/v1", "parent"): (
        "test_without_the_link_to_the_joint_proof_commitments_are_chosen_after_the_opening"
    ),
    ("crossclear/book/v1", "auxiliary"): "test_slots_of_the_book_left_out_alone_admit_no_other_book",
    ("crossclear/book/v1", "slot"): "test_slots_of_the_book_left_out_alone_admit_no_other_book",
    ("crossclear/book/v1", "total"): "test_without_the_totals_a_book_passes_for_another_total",
    ("crossclear/book/v1", "R"): "test_without_r_a_whole_package_passes_whose_book_is_not_matched",
    ("crossclear/linear/batch/v1", "mu"): "test_without_the_proofs_in_the_weights_two_false_proofs_cancel",
    ("crossclear/cover/v1", "parent"): (
        "test_with_weights_of_the_link_known_before_the_accounts_commit_they_overstate_until_it_fits"
    ),
    ("crossclear/house/v1", "parent"): (
        "test_without_the_package_in_its_context_the_houses_proof_is_replayed_and_nothing_else"
    ),
    ("crossclear/cover-backing/v1", "parent"): (
        "test_without_the_package_in_the_backing_it_is_replayed_and_nothing_else"
    ),
    ("crossclear/cover-link/v1", "parent"): (
        "test_with_weights_of_the_link_known_before_the_vectors_a_lattice_makes_vectors_that_fit"
    ),
    **{("crossclear/cover-link/v1", item): _LINK for item in ("C_G", "C_q", "G(omega zeta)", "pi_1", "pi_2")},
}
"""(protocol, label) to the test that leaves it out."""
NAMES_ONLY = {
    (protocol, "protocol")
    for protocol in (
        "crossclear/linear/batch/v1",
        "crossclear/cover/v1",
        "crossclear/cover-backing/v1",
        "crossclear/cover-link/v1",
        "crossclear/house/v1",
    )
}
"""Weights speak of nothing but their proofs; the forks of the cover proof are of parents that nothing else forks, or
give contexts to statements with other layouts. Their names keep it so for what may come."""


def absorbed(run: Callable[[], object]) -> set[tuple[str, str]]:
    """(protocol, label) of every item that transcripts absorb, and of every protocol."""
    seen: set[tuple[str, str]] = set()
    protocols: dict[int, str] = {}
    kept: list[Transcript] = []
    begin, absorb = Transcript.__init__, Transcript._absorb

    def noting_begin(self: Transcript, protocol: str) -> None:
        begin(self, protocol)
        kept.append(self)  # so that no id is used again
        protocols[id(self)] = protocol
        seen.add((protocol, "protocol"))

    def noting(self: Transcript, label: str, kind: str, data: bytes) -> None:
        if kind != "challenge":
            seen.add((protocols[id(self)], label))
        absorb(self, label, kind, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "__init__", noting_begin)
        patch.setattr(Transcript, "_absorb", noting)
        run()
    return seen


@pytest.fixture(scope="module")
def covered(market: SimpleNamespace) -> bytes:
    """A package that tests its fund."""
    return market.honest(snapshot_of(LEVERED, MEMBERS))


def test_every_item_that_packages_and_batches_absorb_is_left_out_by_a_test(
    market: SimpleNamespace, package: bytes, covered: bytes
) -> None:
    claims = [honest() for _ in range(2)]
    seen = absorbed(lambda: (verify_package(package), verify_package(covered), verify_batch(claims)))
    assert seen >= NAMES_ONLY
    assert seen - NAMES_ONLY == set(LEFT_OUT)


@pytest.mark.parametrize("item", LEFT_OUT, ids="-".join)
def test_the_named_test_is_there(item: tuple[str, str]) -> None:
    assert [name for file in FILES for name in functions(file)].count(LEFT_OUT[item]) == 1
