(* On chain two challenges are drawn together: delta for the lookups and gamma for the step of S. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import roots rounds.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Together.
Variable F : finFieldType.

(* At a place where a lookup or the step is not zero, at most max(N - 1, 1) of |F| pairs make the combination vanish. *)
Theorem bad_delta_and_gamma N (lookup : nat -> F) (step : F) :
  (step != 0) || [exists i : 'I_N, lookup i != 0] ->
  (#|[set z : F * F | (\sum_(i < N) z.2 ^+ i * lookup i + z.1 * step == 0)%R]| <= maxn N.-1 1 * #|F|)%N.
Proof.
move=> some; set bad := [set z : F * F | _].
have [step0 | nz] := altP (step =P 0).
  move: some; rewrite step0 eqxx /= => /existsP[i li].
  have li' : exists2 i, (i < N)%N & lookup i != 0 by exists i.
  rewrite card_by_first; apply: leq_trans (_ : \sum_(a : F) maxn N.-1 1 <= _)%N; last first.
    by rewrite sum_nat_const mulnC.
  apply: leq_sum => a _; rewrite leq_max; apply/orP; left.
  apply: leq_trans (bad_challenges_of_powers li'); apply/subset_leq_card/subsetP=> x.
  by rewrite !inE /= step0 mulr0 addr0.
pose swap (z : F * F) := (z.2, z.1).
have inj : injective swap by move=> [a b] [a' b'] [-> ->].
rewrite -(card_imset _ inj) card_by_first.
apply: leq_trans (_ : \sum_(a : F) maxn N.-1 1 <= _)%N; last by rewrite sum_nat_const mulnC.
apply: leq_sum => de _; rewrite leq_max; apply/orP; right.
have two : (\sum_(i < N) de ^+ i * lookup i != 0) || (step != 0) by rewrite nz orbT.
apply: leq_trans (bad_challenges_of_two two); apply/subset_leq_card/subsetP=> x.
by rewrite !inE => /imsetP[[a b]]; rewrite inE /= => zero [-> ->].
Qed.

End Together.
