(* The openings: one equation of two joined by mu, and many values joined by powers of r. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import roots.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Openings.
Variable F : finFieldType.
Variables (A B pi_1 pi_2 : {poly F}) (zeta xi : F).

(* The pairing equation as a polynomial: it is checked at tau. xi is omega zeta. *)
Definition opening_equation mu : {poly F} :=
  (('X - zeta%:P) * pi_1 - A) + mu *: (('X - xi%:P) * pi_2 - B).

(* Completeness of the openings: with true values both quotients exist, and the equation holds for every mu. *)
Theorem true_values_have_openings :
  A.[zeta] = 0 -> B.[xi] = 0 ->
  exists q1, exists q2, forall mu, (('X - zeta%:P) * q1 - A) + mu *: (('X - xi%:P) * q2 - B) = 0.
Proof.
move/eqP/factor_theorem=> [q1 ->] /eqP/factor_theorem[q2 ->]; exists q1, q2 => mu.
by rewrite ![('X - _) * _]mulrC !subrr scaler0 addr0.
Qed.

(* Lemma 1: for polynomials fixed before mu, a false value leaves at most one mu for which the equation holds. *)
Theorem bad_mu :
  (A.[zeta] != 0) || (B.[xi] != 0) -> (#|[set mu : F | (opening_equation mu == 0)%R]| <= 1)%N.
Proof.
move=> false; set P := ('X - zeta%:P) * pi_1 - A; set Q := ('X - xi%:P) * pi_2 - B.
have [i off] : exists i, (P`_i != 0) || (Q`_i != 0).
  have [/eqP P0 | P0] := boolP (P == 0); last first.
    exists (size P).-1; by rewrite -lead_coefE lead_coef_eq0 P0.
  have [/eqP Q0 | Q0] := boolP (Q == 0); last first.
    exists (size Q).-1; by rewrite -[Q`__]lead_coefE lead_coef_eq0 Q0 orbT.
  move: false; have /(congr1 (fun p : {poly F} => p.[zeta])) := P0.
  rewrite /P hornerD hornerM hornerXsubC subrr mul0r add0r hornerN horner0 => /eqP; rewrite oppr_eq0 => ->.
  have /(congr1 (fun p : {poly F} => p.[xi])) := Q0.
  by rewrite /Q hornerD hornerM hornerXsubC subrr mul0r add0r hornerN horner0 => /eqP; rewrite oppr_eq0 => ->.
apply: leq_trans (bad_challenges_of_two off); apply/subset_leq_card/subsetP=> mu; rewrite !inE => /eqP zero.
by rewrite -coefZ -coefD -/(opening_equation mu) zero coef0.
Qed.

(* If the equation is not zero as a polynomial but holds at tau, then tau is one of at most d + 1 roots of a polynomial
   that the prover knows: this breaks the assumption on discrete logarithms. *)
Theorem tau_is_a_root_of_few mu d :
  (size A <= d.+1)%N -> (size B <= d.+1)%N -> (size pi_1 <= d.+1)%N -> (size pi_2 <= d.+1)%N ->
  opening_equation mu != 0 -> (#|[set tau : F | root (opening_equation mu) tau]| <= d.+1)%N.
Proof.
move=> sA sB s1 s2 nz; apply: bad_points_below => //; rewrite /opening_equation.
have part z (q C : {poly F}) : (size q <= d.+1)%N -> (size C <= d.+1)%N -> (size (('X - z%:P) * q - C)%R <= d.+2)%N.
  move=> sq sC; apply: leq_trans (size_add _ _) _; rewrite geq_max size_opp (leq_trans sC) // andbT.
  by apply: leq_trans (size_mul_leq _ _) _; rewrite size_XsubC.
apply: leq_trans (size_add _ _) _; rewrite geq_max part //=.
by apply: leq_trans (size_scale_leq _ _) _; apply: part.
Qed.

End Openings.

Section Values.
Variable F : finFieldType.

(* Lemma 2: first is Lz(zeta), off i is D_i(zeta) less the claimed value. *)
Theorem bad_r N (first : F) (off : nat -> F) :
  (first != 0) || [exists i : 'I_N, off i != 0] ->
  (#|[set r : F | (first + \sum_(i < N) r ^+ i.+1 * off i == 0)%R]| <= N)%N.
Proof.
move=> some; pose c i := if i is j.+1 then off j else first.
have nz : exists2 i, (i < N.+1)%N & c i != 0.
  by case/orP: some => [nz0 | /existsP[i nzi]]; [by exists 0%N | by exists i.+1; rewrite // ltnS].
apply: leq_trans (bad_challenges_of_powers nz); apply/subset_leq_card/subsetP=> r.
by rewrite !inE big_ord_recl /= expr0 mul1r.
Qed.

End Values.
