(* The domain H of n-th roots of unity: what vanishes on it is a multiple of Z_H = X^n - 1, and a running sum closes
   exactly when its steps add up to zero. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import roots.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Domain.
Variables (F : finFieldType) (n : nat) (omega : F).
Hypothesis omega_root : n.-primitive_root omega.
Implicit Types (P Q S g : {poly F}) (v : nat -> F).

Definition Z_H : {poly F} := 'X^n - 1.

(* H as a sequence: 1, omega, omega^2 and so on. *)
Definition H : seq F := [seq omega ^+ i | i <- iota 0 n].

Definition vanishes_on_H P := forall i, (i < n)%N -> P.[omega ^+ i] = 0.

Lemma n_positive : (0 < n)%N. Proof. exact: prim_order_gt0 omega_root. Qed.

Lemma n_neq0 : n%:R != 0 :> F.
Proof.
apply/negP=> n0; have [q charq] := natf0_char n_positive n0.
have qn : (q %| n)%N by rewrite (dvdn_charf charq).
have one : omega ^+ (n %/ q) = 1.
  apply: (fmorph_inj [rmorphism of Frobenius_aut charq]); rewrite rmorph1 /=.
  by rewrite Frobenius_autE -exprM divnK // (prim_expr_order omega_root).
have: (n %| n %/ q)%N by rewrite (prim_order_dvd omega_root) one.
have q1 := prime_gt1 (charf_prime charq); move/dvdn_leq; rewrite divn_gt0 ?prime_gt0 ?(charf_prime charq) //.
by move/(_ (dvdn_leq n_positive qn)); rewrite leqNgt ltn_Pdiv ?n_positive.
Qed.

Lemma size_Z_H : size Z_H = n.+1.
Proof. by rewrite /Z_H size_addl size_polyXn // size_opp size_poly1 ltnS n_positive. Qed.

Lemma Z_H_neq0 : Z_H != 0. Proof. by rewrite -size_poly_eq0 size_Z_H. Qed.

Lemma omega_injective i j : (i < n)%N -> (j < n)%N -> omega ^+ i = omega ^+ j -> i = j.
Proof. by move=> ni nj /eqP; rewrite (eq_prim_root_expr omega_root) !modn_small // => /eqP. Qed.

Lemma H_uniq : uniq H.
Proof.
rewrite map_inj_in_uniq ?iota_uniq // => i j; rewrite !mem_iota /= add0n => ni nj.
exact: omega_injective.
Qed.

Lemma Z_H_roots z : root Z_H z = (z \in H).
Proof.
rewrite /Z_H -(factor_Xn_sub_1 omega_root) /H -(big_map (fun i => omega ^+ i) predT (fun x => 'X - x%:P)).
by rewrite root_prod_XsubC /index_iota subn0.
Qed.

(* Lemma 3, first half: the quotient exists exactly when the numerator vanishes on all of H. *)
Theorem quotient_exists_iff_vanishing_on_H P : (exists t, P = t * Z_H) <-> vanishes_on_H P.
Proof.
split=> [[t ->] i ni | zero].
  have /eqP r : root Z_H (omega ^+ i) by rewrite Z_H_roots map_f // mem_iota add0n.
  by rewrite hornerM r mulr0.
have: \prod_(z <- H) ('X - z%:P) %| P.
  apply: uniq_roots_dvdp; last by rewrite uniq_rootsE H_uniq.
  by apply/allP=> z /mapP[i]; rewrite mem_iota add0n /= => ni ->; apply/eqP/zero.
have -> : \prod_(z <- H) ('X - z%:P) = Z_H.
  by rewrite /Z_H -(factor_Xn_sub_1 omega_root) /H big_map /index_iota subn0.
by case/dvdpP=> t ->; exists t.
Qed.

(* Lemma 3, second half: for polynomials fixed before zeta, either the numerator is t Z_H, and vanishes on H, or at most
   d points zeta make it look so. *)
Theorem bad_zeta P t d :
  (size (P - t * Z_H)%R <= d.+1)%N ->
  P = t * Z_H \/ (#|[set zeta : F | (P.[zeta] == t.[zeta] * Z_H.[zeta])%R]| <= d)%N.
Proof.
move=> small; case: (altP (P - t * Z_H =P 0)) => [/eqP | nz]; first by rewrite subr_eq0 => /eqP; left.
right; apply: leq_trans (bad_points_below nz small); apply: eq_leq; congr #|pred_of_set _|.
by apply/setP=> z; rewrite !inE /root hornerD hornerN hornerM subr_eq0.
Qed.

(* The degree with t = t1 + X^(n+2) t2, where all that is committed to has at most d + 1 coefficients. *)
Lemma size_split_quotient (t1 t2 : {poly F}) d :
  (size t1 <= d.+1)%N -> (size t2 <= d.+1)%N -> (size ((t1 + 'X^(n + 2) * t2) * Z_H)%R <= (d + 2 * n + 2).+1)%N.
Proof.
move=> s1 s2; have large : (size (t1 + 'X^(n + 2) * t2)%R <= d + n + 3)%N.
  apply: leq_trans (size_add _ _) _; rewrite geq_max; apply/andP; split; first lia.
  by apply: leq_trans (size_mul_leq _ _) _; rewrite size_polyXn; lia.
by apply: leq_trans (size_mul_leq _ _) _; rewrite size_Z_H; lia.
Qed.

(* The polynomial with given values on H. *)
Definition lagrange (i : nat) : {poly F} :=
  \prod_(j < n | j != i :> nat) ((omega ^+ i - omega ^+ j)^-1 *: ('X - (omega ^+ j)%:P)).
Definition interpolant v : {poly F} := \sum_(i < n) v i *: lagrange i.

Lemma lagrange_at i k : (i < n)%N -> (k < n)%N -> (lagrange i).[omega ^+ k] = (i == k)%:R.
Proof.
move=> ni nk; rewrite /lagrange horner_prod; have [<- | ik] := altP (i =P k).
  rewrite big1 // => j ji; rewrite hornerZ hornerXsubC mulVf // subr_eq0.
  by apply: contra ji => /eqP e; rewrite (omega_injective ni (ltn_ord j) e).
rewrite (bigD1 (Ordinal nk)) /=; last by rewrite eq_sym.
by rewrite hornerZ hornerXsubC subrr mulr0 mul0r.
Qed.

Lemma interpolant_at v k : (k < n)%N -> (interpolant v).[omega ^+ k] = v k.
Proof.
move=> nk; rewrite /interpolant horner_sum (bigD1 (Ordinal nk)) //= hornerZ lagrange_at // eqxx mulr1.
rewrite big1 ?addr0 // => i ik; rewrite hornerZ lagrange_at //.
by rewrite (_ : (_ == _) = false) ?mulr0 //; apply/negbTE; apply: contra ik => /eqP e; apply/eqP/val_inj.
Qed.

Lemma size_lagrange i : (i < n)%N -> (size (lagrange i) <= n)%N.
Proof.
move=> ni; rewrite /lagrange; apply: leq_trans (size_prod_leq _ _) _.
set k := #|_|; have kn : (k.+1 = n)%N.
  have -> : k = #|predC1 (Ordinal ni)| by apply: eq_card => j; rewrite !inE -(inj_eq val_inj).
  by rewrite cardC1 card_ord prednK ?n_positive.
have: (\sum_(j < n | j != i :> nat) size ((omega ^+ i - omega ^+ j)^-1 *: ('X - (omega ^+ j)%:P))%R <= k * 2)%N.
  rewrite -sum_nat_const; apply: leq_sum => j _; apply: leq_trans (size_scale_leq _ _) _.
  by rewrite size_XsubC.
by rewrite leq_subLR -/k => bound; apply: leq_trans (_ : (k * 2).+1 <= _)%N => //; lia.
Qed.

Lemma size_interpolant v : (size (interpolant v) <= n)%N.
Proof.
apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP=> i _.
exact: leq_trans (size_scale_leq _ _) (size_lagrange (ltn_ord i)).
Qed.

(* The step of a running sum: on H, S(omega X) - S(X) = g(X). *)
Definition steps_by S g := forall i, (i < n)%N -> S.[omega * omega ^+ i] - S.[omega ^+ i] = g.[omega ^+ i].

(* S returns to its start after n steps whatever S is. *)
Theorem running_sum_closes S g : steps_by S g -> \sum_(i < n) g.[omega ^+ i] = 0.
Proof.
move=> step; rewrite (eq_bigr (fun i : 'I_n => S.[omega ^+ i.+1] - S.[omega ^+ i])); last first.
  by move=> i _; rewrite -step // exprS.
rewrite -(big_mkord predT (fun i => S.[omega ^+ i.+1] - S.[omega ^+ i])) telescope_sumr //.
by rewrite expr0 (prim_expr_order omega_root) subrr.
Qed.

Theorem running_sum_exists_iff_sum_is_zero g :
  (exists S, steps_by S g) <-> \sum_(i < n) g.[omega ^+ i] = 0.
Proof.
split=> [[S] | zero]; first exact: running_sum_closes.
exists (interpolant (fun i => \sum_(j < i) g.[omega ^+ j])) => i ni.
rewrite -exprS (interpolant_at _ ni); have [ni1 | ] := ltnP i.+1 n.
  by rewrite interpolant_at // big_ord_recr /= addrC addKr.
rewrite leq_eqVlt ltnS leqNgt ni orbF => /eqP e.
rewrite -e (prim_expr_order omega_root) -(expr0 omega) interpolant_at ?n_positive // big_ord0 sub0r.
move: zero; rewrite e big_ord_recr /= => /eqP; rewrite addr_eq0 => /eqP->.
by rewrite opprK.
Qed.

(* S may have any multiple of Z_H added: its blinders change no step. *)
Lemma blinders_change_no_step S B g : steps_by S g -> steps_by (S + B * Z_H) g.
Proof.
move=> step i ni; have zero k : Z_H.[omega ^+ k] = 0.
  by rewrite /Z_H !hornerE hornerXn exprAC (prim_expr_order omega_root) expr1n subrr.
by rewrite !hornerD !hornerM -exprS !zero !mulr0 !addr0 exprS step.
Qed.

End Domain.
