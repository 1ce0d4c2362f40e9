(* What the linear proof shows in the end: over the order p of the group, with the bounds of the layout, each accepted
   claim is one about integers, but for the stated share of runs. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Crossclear Require Import roots domain rows integers linear rounds.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

(* The byte table has degree 255 n / 256: it is the table of 256 places, of X^(n / 256). *)
Section Table.
Variables (F : finFieldType) (n : nat) (omega : F).
Hypothesis omega_root : n.-primitive_root omega.
Hypothesis n_whole : (256 %| n)%N.
Local Notation k := (n %/ 256)%N.

Lemma small_root : 256.-primitive_root (omega ^+ k).
Proof.
have := dvdn_prim_root omega_root n_whole.
by [].
Qed.

Definition table : {poly F} := interpolant 256 (omega ^+ k) (fun i => i%:R) \Po 'X^k.

Theorem table_on_H j : (j < n)%N -> table.[omega ^+ j] = (j %% 256)%:R.
Proof.
move=> jn; rewrite /table horner_comp hornerXn exprAC -(prim_expr_mod small_root).
by rewrite (interpolant_at small_root) // ltn_mod.
Qed.

Theorem size_table : (size table <= (255 * k).+1)%N.
Proof.
apply: leq_trans (size_comp_poly_leq _ _) _; rewrite size_polyXn ltnS leq_mul2r.
have := size_interpolant small_root (fun i => i%:R); case: (size _) => [_ | s s255] /=; first by rewrite orbT.
by rewrite -ltnS s255 orbT.
Qed.
End Table.

Section Solvency.
Variable p : nat.
Hypothesis p_prime : prime p.
Local Notation F := [finFieldType of 'F_p].
Variables (n : nat) (omega : F).
Hypothesis omega_root : n.-primitive_root omega.

(* The layout in integers. *)
Variables (accounts columns slots rows : nat) (width column start : nat -> nat).
Variables (offset : nat -> nat) (A : nat -> nat -> int) (b : nat -> int) (counts_sigma : nat -> bool).
Variable sigma : nat -> nat.
Local Notation R := (slots + rows)%N.
Local Notation N := (accounts * columns)%N.
(* integers.bounds_of_the_layout_suffice: with 2^62, 2^64, 2^64, 2^138 the three inequalities hold. *)
Variables (A_max b_max digits_max M : nat).
Hypothesis A_bound : forall s j, (s < rows)%N -> (j < slots)%N -> `|A s j| <= A_max%:Z.
Hypothesis b_bound : forall k s, (k < accounts)%N -> (s < rows)%N -> `|b s| + (sigma k)%:Z <= b_max%:Z.
Hypothesis width_bound : forall r, (r < R)%N -> (256 ^ width r <= digits_max)%N.
Hypothesis values_bound : (slots * A_max * digits_max + b_max <= M)%N.
Hypothesis digits_below_M : (digits_max <= M)%N.
Hypothesis no_wrap_around : (slots * A_max * M + b_max + digits_max < p)%N.
Hypothesis offset_bound : forall j, (j < slots)%N -> width j <> 0%N -> (offset j < 256 ^ width j)%N.
Variable tie : nat -> nat.
Hypothesis tied : forall j, (j < slots)%N -> width j = 0%N -> ties slots rows width A counts_sigma (tie j) j.
Hypothesis columns_fit : forall r, (r < R)%N -> (column r < columns)%N.
Hypothesis digits_fit : forall r, (r < R)%N -> (start r + width r <= n)%N.

Variables (W D : nat -> {poly F}).

(* The claim about one account: integers behind its committed values, each slot and row in its range. *)
Definition holds k := exists w : nat -> int,
  [/\ forall j, (j < slots)%N -> (W k).[omega ^+ j] = (w j)%:~R,
      forall j, (j < slots)%N -> width j <> 0%N -> 0 <= w j + (offset j)%:Z < (256 ^ width j)%:Z
    & forall s, (s < rows)%N -> 0 <= row_integer slots A b counts_sigma (sigma k) w s < (256 ^ width (slots + s))%:Z].

Theorem digits_and_rows_make_the_claim_true :
  all_bytes n omega accounts columns D ->
  all_rows omega accounts columns slots rows width column start (fun j => (offset j)%:R)
    (fun s j => (A s j)%:~R) (fun s => (b s)%:~R) counts_sigma (fun k => (sigma k)%:R) W D ->
  forall k, (k < accounts)%N -> holds k.
Proof.
move=> bytes rows_hold k ka.
apply: (@rows_modulo_p_are_rows_of_integers p p_prime slots rows width column start offset A b counts_sigma (sigma k)
  _ _ _ _ A_bound (fun s => @b_bound k s ka) width_bound offset_bound values_bound digits_below_M
  no_wrap_around tie tied
  (account_digits omega columns D k)).
- move=> r i rR iw; have cr := columns_fit rR; have dr := digits_fit rR.
  have place : (k * columns + column r < N)%N.
    apply: leq_trans (_ : k * columns + columns <= _)%N; first by rewrite ltn_add2l.
    by rewrite addnC -mulSn leq_mul2r ka orbT.
  have spot : (start r + i < n)%N by apply: leq_trans dr; rewrite ltn_add2l.
  have /forallP/(_ (Ordinal place))/forallP/(_ (Ordinal spot))/existsP[B /eqP e] := bytes.
  by exists B.
move=> r rR; have /forallP/(_ (Ordinal ka))/forallP/(_ (Ordinal rR))/eqP := rows_hold.
by [].
Qed.

(* A prover of any strategy, whose points are polynomials of degree d at most, who claims something false of one of the
   accounts is accepted in at most this share of all runs. *)
Section Prover.
Variables (d d_Q : nat) (m : {poly F}).
Hypothesis slots_fit : (slots <= n)%N.
Hypothesis some_account : (0 < accounts)%N.
Hypothesis some_column : (0 < columns)%N.
Hypothesis n_whole : (256 %| n)%N.
Hypothesis few_digits : (maxn (N * n) 255 < p)%N.
Hypothesis d_Q_lookup : (2 * d + 255 * (n %/ 256) <= d_Q)%N.
Hypothesis d_Q_weights : (d + n - 1 <= d_Q)%N.
Hypothesis d_Q_quotient : (d + 2 * n + 2 <= d_Q)%N.
Variables (f : F -> F -> F -> nat -> {poly F}) (S : F -> F -> F -> F -> {poly F}).
Variables (t1 t2 : F -> F -> F -> F -> F -> {poly F}).
Variables (D_bar : F -> F -> F -> F -> F -> F -> nat -> F) (S_bar : F -> F -> F -> F -> F -> F -> F).
Variables (pi_1 pi_2 : F -> F -> F -> F -> F -> F -> F -> {poly F}).
Hypothesis W_small : forall k, small d (W k).
Hypothesis D_small : forall i, small d (D i).
Hypothesis m_small : small d m.
Hypothesis f_small : forall al y be i, small d (f al y be i).
Hypothesis S_small : forall al y be de, small d (S al y be de).
Hypothesis t1_small : forall al y be de ga, small d (t1 al y be de ga).
Hypothesis t2_small : forall al y be de ga, small d (t2 al y be de ga).

Lemma characteristic_is_large k : (0 < k <= maxn (N * n) 255)%N -> k%:R != 0 :> F.
Proof.
case/andP=> k0 kN; rewrite -(dvdn_charf (char_Fp p_prime)); apply/negP=> /(dvdn_leq k0).
by rewrite leqNgt (leq_ltn_trans kN few_digits).
Qed.

Theorem false_claims_are_accepted_in_few_runs :
  (exists2 k, (k < accounts)%N & ~ holds k) ->
  (#|[set c | accepted_run n omega accounts columns slots rows width column start (fun j => (offset j)%:R)
       (fun s j => (A s j)%:~R) (fun s => (b s)%:~R) counts_sigma (fun k => (sigma k)%:R) (table n omega) W D m
       f S t1 t2 D_bar S_bar pi_1 pi_2 c]| * #|F|
   <= (N * n + 255 + R.-1 + 1 + N.-1 + 1 + d_Q + N + 1) * #|F| ^ 8)%N.
Proof.
case=> k ka wrong; apply: (linear_proof_is_sound omega_root slots_fit columns_fit digits_fit some_account some_column
  characteristic_is_large (table_on_H omega_root n_whole) (size_table omega_root n_whole) d_Q_lookup d_Q_weights
  d_Q_quotient) => //.
by apply/negP=> /andP[bytes rows_hold]; apply: wrong; apply: digits_and_rows_make_the_claim_true.
Qed.
End Prover.

End Solvency.
