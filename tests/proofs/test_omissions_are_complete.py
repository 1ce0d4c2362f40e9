"""No item is absorbed without a test that leaves it out: the list is held against what verifiers really absorb.

Of each item: its protocol, without `crossclear/` in front and `/v1` behind, its label, and the test without `test_`.

linear        protocol    without_the_protocol_a_proof_for_a_drill_passes_for_a_real_one
linear        srs         without_the_reference_string_a_proof_passes_for_commitments_in_another_basis
linear        n           a_domain_left_out_with_its_layout_is_chosen_after_the_challenges
linear        layout      without_one_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it
linear        context     without_the_context_a_proof_of_one_epoch_passes_for_another
linear        accounts    each_accounts_own_items_tell_how_many_there_are
linear        account     without_the_account_one_accounts_proof_passes_for_another_account
linear        sigma       shortfalls_left_out_are_chosen_after_the_challenges
linear        PER_ACCOUNT without_one_accounts_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it
linear        SHARED      without_one_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it
linear/batch  mu          without_the_proofs_in_the_weights_two_false_proofs_cancel
book          protocol    without_the_protocol_an_opening_given_to_another_program_passes_for_a_book
book          parent      without_the_link_to_the_joint_proof_commitments_are_chosen_after_the_opening
book          auxiliary   slots_of_the_book_left_out_alone_admit_no_other_book
book          slot        slots_of_the_book_left_out_alone_admit_no_other_book
book          total       without_the_totals_a_book_passes_for_another_total
book          R           without_r_a_whole_package_passes_whose_book_is_not_matched
house         parent      without_the_package_in_its_context_the_houses_proof_is_replayed_and_nothing_else
cover         parent      with_weights_of_the_link_known_before_the_accounts_commit_they_overstate_until_it_fits
cover-backing parent      without_the_package_in_the_backing_it_is_replayed_and_nothing_else
cover-link    parent      with_weights_of_the_link_known_before_the_vectors_a_lattice_makes_vectors_that_fit
cover-link    LINK        without_one_message_of_the_link_a_fund_covers_members_who_lack_nothing_by_its_word
"""

import pytest

from proofs.algebra.transcript import Transcript
from proofs.linear.verifier import verify_batch
from proofs.verify.package_verifier import verify_package
from tests.kit.proofs.named import functions
from tests.kit.proofs.omissions import PER_ACCOUNT, SHARED, honest
from tests.kit.proofs.stressed import LEVERED, MEMBERS, snapshot_of

FILES = ("transcript_omissions", "book_omissions", "cover_omissions", "house_owes_nothing")
SEVERAL = {"PER_ACCOUNT": PER_ACCOUNT, "SHARED": SHARED, "LINK": ("C_G", "C_q", "G(omega zeta)", "pi_1", "pi_2")}
LEFT_OUT = {
    (f"crossclear/{protocol}/v1", item): f"test_{test}"
    for protocol, label, test in (line.split() for line in __doc__.splitlines()[4:])
    for item in SEVERAL.get(label, (label,))
}
NAMES_ONLY = {
    (f"crossclear/{name}/v1", "protocol") for name in ("linear/batch", "cover", "cover-backing", "cover-link", "house")
}
"""Weights speak of nothing but their proofs; the forks of the cover proof are of parents that nothing else forks, or
give contexts to statements with other layouts. Their names keep it so for what may come."""


def absorbed(run):
    """(protocol, label) of every item that transcripts absorb, and of every protocol."""
    seen, protocols, kept = set(), {}, []
    begin, absorb = Transcript.__init__, Transcript._absorb

    def noting_begin(self, protocol):
        begin(self, protocol)
        kept.append(self)  # so that no id is used again
        protocols[id(self)] = protocol
        seen.add((protocol, "protocol"))

    def noting(self, label, kind, data):
        if kind != "challenge":
            seen.add((protocols[id(self)], label))
        absorb(self, label, kind, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "__init__", noting_begin)
        patch.setattr(Transcript, "_absorb", noting)
        run()
    return seen


def test_every_item_that_packages_and_batches_absorb_is_left_out_by_a_test(market, package):
    with_its_fund_tested = market.honest(snapshot_of(LEVERED, MEMBERS))
    claims = [honest() for _ in range(2)]
    seen = absorbed(lambda: (verify_package(package), verify_package(with_its_fund_tested), verify_batch(claims)))
    assert seen >= NAMES_ONLY
    assert seen - NAMES_ONLY == set(LEFT_OUT)


@pytest.mark.parametrize("item", LEFT_OUT, ids="-".join)
def test_the_named_test_is_there(item):
    assert [name for file in FILES for name in functions(file)].count(LEFT_OUT[item]) == 1
