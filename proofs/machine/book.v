(* The book: a sum of commitments is opened to public totals, by a Schnorr proof in the bases of blinders and auxiliary
   slots. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Crossclear Require Import roots domain.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Book.
Variables (F : finFieldType) (n : nat) (omega : F).
Hypothesis omega_root : n.-primitive_root omega.
Variables (accounts : nat) (W : nat -> {poly F}).
(* Positions are public with a total (zero beyond the slots), or auxiliary. *)
Variables (auxiliary : pred 'I_n) (total : nat -> F).

Definition P : {poly F} := \sum_(k < accounts) W k - \sum_(j < n | ~~ auxiliary j) total j *: lagrange n omega j.
(* What the answers z span: Z_H, X Z_H and the Lagrange polynomials of auxiliary slots. *)
Definition answered (z_0 z_1 : F) (z : 'I_n -> F) : {poly F} :=
  (z_0%:P + z_1 *: 'X) * Z_H F n + \sum_(g < n | auxiliary g) z g *: lagrange n omega g.

Lemma answered_at z_0 z_1 z (j : 'I_n) : ~~ auxiliary j -> (answered z_0 z_1 z).[omega ^+ j] = 0.
Proof.
move=> public; rewrite /answered hornerD hornerM.
have /eqP-> : root (Z_H F n) (omega ^+ j) by rewrite (Z_H_roots omega_root) map_f // mem_iota add0n /=.
rewrite mulr0 add0r horner_sum big1 // => g aux; rewrite hornerZ lagrange_at //.
case: eqP => [/val_inj e | _]; last by rewrite mulr0.
by move: aux; rewrite e (negbTE public).
Qed.

Lemma P_at (j : 'I_n) : ~~ auxiliary j -> P.[omega ^+ j] = \sum_(k < accounts) (W k).[omega ^+ j] - total j.
Proof.
move=> public; rewrite /P hornerD hornerN !horner_sum; congr (_ - _).
rewrite (bigD1 j) //= hornerZ lagrange_at // eqxx mulr1 big1 ?addr0 // => i /andP[_ ij].
by rewrite hornerZ lagrange_at // (_ : (_ == _ :> nat) = false) ?mulr0 //; apply/negbTE.
Qed.

(* Completeness: true totals and blinders answer every challenge. *)
Theorem honest_book_answers (nonce : {poly F}) (z_0 z_1 : F) (z : 'I_n -> F) (e : F) s_0 s_1 s :
  nonce = answered s_0 s_1 s -> P = answered z_0 z_1 z ->
  answered (s_0 + e * z_0) (s_1 + e * z_1) (fun g => s g + e * z g) = nonce + e *: P.
Proof.
move=> -> ->; rewrite /answered scalerDr scaler_sumr addrACA -big_split /=; congr (_ + _).
  by rewrite scalerAl -mulrDl scalerDr scalerA addrACA -scalerDl polyCD polyCM mul_polyC.
by apply: eq_bigr => g _; rewrite scalerDl scalerA.
Qed.

(* Soundness: P and R are fixed before e. If a public position does not have its total, at most one e is answered. *)
Theorem bad_e (R : {poly F}) (answerable : {set F}) (j : 'I_n) :
  ~~ auxiliary j -> \sum_(k < accounts) (W k).[omega ^+ j] != total j ->
  (forall e, e \in answerable -> exists z_0, exists z_1, exists z, answered z_0 z_1 z = R + e *: P) ->
  (#|answerable| <= 1)%N.
Proof.
move=> public off answers.
have some : (R.[omega ^+ j] != 0) || (P.[omega ^+ j] != 0) by rewrite P_at // subr_eq0 off orbT.
apply: leq_trans (bad_challenges_of_two some); apply/subset_leq_card/subsetP=> e /answers[z_0 [z_1 [z eq]]].
by rewrite inE -hornerZ -hornerD -eq answered_at.
Qed.

End Book.
