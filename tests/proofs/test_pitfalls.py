"""Every pitfall of the solvency proofs, and the test in which a cheating prover walks into it.

Each of them first lets the falsehood through a verifier with the pitfall, wherever that can be built, and then shows
the same bytes to the real one. Below: the pitfall, then `file::test` without `test_` in front of either.

An item left out of the transcript
    transcript_omissions::without_one_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it
    book_omissions::without_r_a_whole_package_passes_whose_book_is_not_matched
    cover_omissions::without_one_message_of_the_link_a_fund_covers_members_who_lack_nothing_by_its_word
    onchain_omissions::without_one_item_in_the_chain_a_ruined_account_is_proven_and_the_real_one_refuses_it
    root_omissions::without_a_field_of_the_statement_in_the_root_another_one_is_shown
    omissions_are_complete::every_item_that_packages_and_batches_absorb_is_left_out_by_a_test
The last challenge does not bind both openings
    linear_proof::the_last_challenge_binds_both_openings
    transcript_omissions::without_one_message_in_the_transcript_anything_is_proven_and_the_real_one_refuses_it
A y that is known before the digits
    challenges_too_early::with_a_y_known_before_the_digits_any_false_row_is_proven_and_the_real_order_refuses_it
    cover_omissions::with_weights_of_the_link_known_before_the_vectors_a_lattice_makes_vectors_that_fit
Another challenge that is known too early
    challenges_too_early::with_an_alpha_known_before_the_multiplicities_any_digit_passes_and_the_real_order_refuses_it
    challenges_too_early::with_a_delta_known_before_the_lookups_two_accounts_pay_for_a_false_row_and_the_real_order_refuses_it
Slots of 1/3, of p - 1, negative tokens, equity of -1
    cheating_ranges::no_way_of_cheating_proves_a_range_or_row_that_is_false
    independent_verifier::neither_believes_a_lie_however_it_is_told
    cheating_ranges::a_liar_does_not_hide_behind_honest_accounts
    cheating_ranges::forged_digits_of_one_column_are_found_among_several
    cheating_reserves::an_account_below_zero_in_a_token_does_not_pay_for_the_others
Unbounded A
    cheating_ranges::an_unbounded_matrix_would_wrap_around_and_is_refused
    cheating_ranges::a_coefficient_beyond_its_bound_is_refused
    cheating_ranges::a_slot_without_digits_would_pay_for_everything_and_is_refused
    cheating_ranges::the_bounds_of_a_layout_keep_every_row_below_half_the_order
Matrix, prices, account, epoch, chain, layout swapped
    cheating_packages::what_is_swapped_after_the_quorum_signed_is_refused_by_the_roots
    cheating_packages::what_is_swapped_though_a_quorum_signs_it_is_refused_by_the_proof
    cheating_packages::rules_softened_before_the_quorum_signed_are_refused_by_what_they_are_computed_from
    cheating_packages::swapped_accounts_are_refused_by_the_roots_and_though_signed_by_the_proof
    cheating_packages::a_swapped_domain_is_refused_by_the_roots_and_though_signed_by_the_proof
    cheating_packages::a_package_of_another_network_is_refused
    cheating_packages::parts_of_two_good_packages_do_not_make_a_third
Duplicate accounts
    cheating_packages::an_account_that_stands_twice_is_refused
    cheating_packages::holdings_that_stand_under_two_accounts_do_not_match_the_book
    cheating_packages::two_accounts_shown_as_one_are_missed_by_their_owners
Blinders reused across epochs or accounts
    cheating_leaks::blinders_used_in_two_epochs_would_show_what_was_traded
    cheating_leaks::blinders_used_for_two_accounts_would_show_by_what_they_differ
    cheating_leaks::blinders_are_bound_to_everything_that_tells_two_commitments_apart
    cheating_leaks::a_member_that_mistypes_its_holdings_is_not_told_a_commitment_to_them
Blinders shared by a joint and a standalone proof, or by a retry
    cheating_leaks::digit_blinders_shared_by_a_joint_and_a_standalone_proof_would_show_the_holdings
    cheating_leaks::the_prover_shares_nothing_between_a_joint_and_a_standalone_proof
    cheating_leaks::a_retry_from_the_middle_is_refused_for_it_would_share_blinders
Digits opened a second time, on chain
    onchain_certified::a_second_list_of_leaves_would_let_holdings_be_guessed_and_no_quorum_signs_it
Fewer blinders than published values
    cheating_leaks::a_digit_column_with_one_blinder_would_show_the_holdings
    cheating_leaks::commitments_without_blinders_would_show_the_holdings
Encodings of infinity, with trailing bytes
    cheating_encodings::a_bad_encoding_of_any_point_of_a_proof_is_refused_as_such
    cheating_encodings::a_bad_encoding_of_an_accounts_commitment_is_refused_as_such
    independent_verifier::neither_takes_an_encoding_that_is_none
    cheating_encodings::an_empty_account_without_blinders_would_pass_as_infinity_and_is_refused
    cheating_signatures::an_account_committed_to_as_infinity_is_refused
    cheating_signatures::validators_whose_keys_are_infinity_certify_nothing
Scalars that are not reduced
    cheating_encodings::a_scalar_that_is_not_reduced_would_be_a_second_proof_and_is_refused
    cheating_encodings::an_answer_of_the_book_that_is_not_reduced_is_refused
Sums of unequal lengths
    cheating_encodings::a_sum_of_unequal_lengths_is_refused_wherever_a_prover_sets_the_length
    cheating_encodings::the_native_scalar_wraps_and_the_native_sum_truncates
Constructors without checks: points outside of the subgroup
    cheating_encodings::a_point_of_small_order_would_make_a_second_commitment_of_the_same_holdings_and_is_refused
    cheating_encodings::points_of_order_three_are_refused_every_time
    cheating_encodings::points_of_small_order_that_cancel_out_are_refused
    cheating_encodings::constructors_without_checks_stand_only_where_something_else_checks
A challenge at which α + D_i = 0
    cheating_challenges::a_lookup_challenge_at_a_pole_of_the_table_would_prove_anything_and_is_refused
    cheating_challenges::a_digit_at_a_pole_is_in_no_table
    cheating_challenges::every_pole_of_the_table_is_refused
A challenge ζ in H
    cheating_challenges::an_evaluation_point_in_the_domain_would_prove_anything_and_is_refused
    cheating_challenges::every_point_of_the_domain_is_refused
Sums of auxiliary slots, or of blinders, that leak
    cheating_leaks::a_book_that_published_its_sums_would_show_each_groups_maximum_and_a_nonce_used_twice_does
    cheating_leaks::two_books_of_the_same_sums_show_none_of_them
    cheating_leaks::a_package_holds_no_sum_of_blinders_or_maxima
A book that is not matched
    cheating_packages::a_book_that_is_out_by_one_is_refused
    cheating_packages::a_book_is_not_opened_by_answers_for_other_sums
    cheating_packages::a_book_does_not_hide_value_where_no_slot_is
    cheating_packages::a_book_does_not_hide_value_in_further_blinders
Reserves counted twice, or not there
    cheating_reserves::reserves_counted_twice_are_refused
    cheating_reserves::the_same_vault_and_token_counted_for_two_slots_is_refused
    cheating_reserves::a_unit_of_nothing_backs_nothing
    cheating_reserves::reserves_that_do_not_cover_what_is_owed_are_refused
Listed shortfalls hidden
    cheating_packages::a_listed_shortfall_cannot_be_hidden_again
    cheating_packages::a_shortfall_that_is_not_listed_in_full_is_not_proven
    cheating_packages::a_large_shortfall_is_not_hidden_behind_many_small_ones
    cheating_packages::a_debtor_that_is_left_out_is_missed_by_the_book
    cheating_ranges::a_shortfall_that_is_not_listed_is_not_proven
Cover 2 forged
    cheating_cover::no_vector_shows_that_a_small_fund_covers
    cheating_cover::vectors_that_are_not_the_accounts_are_not_linked_to_them
    cheating_cover::losses_that_accounts_understate_are_refused_as_ranges_and_rows
    cheating_cover::a_fund_that_its_account_does_not_hold_is_refused
    cheating_cover::accounts_and_members_are_named_once_each
Custody proofs forged
    cheating_custody::a_number_that_the_state_does_not_hold_is_refused
    cheating_custody::bent_nodes_prove_nothing
    cheating_custody::another_contracts_counters_are_not_the_vaults
    cheating_custody::an_older_block_with_more_in_the_vault_is_not_the_certified_one
    cheating_custody::a_balance_without_a_place_is_never_called_proven
    cheating_custody::a_vault_of_the_quorums_own_making_is_found_by_whoever_has_the_genesis
Keys of validators that cancel each other
    cheating_signatures::a_validator_key_made_to_cancel_the_others_certifies_nothing
Errors of several proofs that cancel in a batch
    batch_of_proofs::errors_that_cancel_in_a_sum_do_not_cancel_here
"""

import ast
from collections.abc import Iterator

import pytest

from tests.kit.proofs.named import FOLDER, functions

CHECKS = {"refused", "proves_only_in", "passes_only_in"}
"""Functions of the kit that assert."""


def table() -> Iterator[tuple[str, str]]:
    """(pitfall, file::test) of each line above."""
    pitfall = ""
    for line in (__doc__ or "").splitlines()[6:]:
        if "::" in line and line.startswith("    "):
            yield pitfall, line.strip()
        elif line and not line.startswith(" "):
            pitfall = line


@pytest.mark.parametrize("pitfall", sorted({pitfall for pitfall, _ in table()}))
def test_every_pitfall_has_tests_that_are_there_and_are_not_skipped(pitfall: str) -> None:
    named = [each.split("::") for at, each in table() if at == pitfall]
    assert named
    for file, test in named:
        found = functions(file).get(f"test_{test}")
        assert found is not None, f"{file}::{test}"
        assert not any("skip" in ast.unparse(mark) or "xfail" in ast.unparse(mark) for mark in found.decorator_list)
        called = {
            node.func.id for node in ast.walk(found) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called & CHECKS or any(isinstance(node, ast.Assert) for node in ast.walk(found)), "it checks nothing"


def test_the_table_names_every_pitfall() -> None:
    """So that a line lost from the table is seen."""
    assert len({pitfall for pitfall, _ in table()}) == 26
    assert len(list(table())) == len(set(table()))


def test_every_file_of_attacks_is_in_the_table() -> None:
    named = {each.split("::")[0] for _, each in table()}
    assert named >= {path.stem.removeprefix("test_") for path in FOLDER.rglob("test_cheating_*.py")}
