(* Zero knowledge: as many random multiples of Z_H as values are seen outside H make what is seen uniform. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import domain.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Blinders.
Variables (F : finFieldType) (n : nat) (omega : F).
Hypothesis omega_root : n.-primitive_root omega.

(* P with k blinders, and what is seen of it at k different points outside H. *)
Variables (P : {poly F}) (k : nat) (point : 'I_k -> F).
Hypothesis different : injective point.
Hypothesis outside : forall i, point i \notin H n omega.

Definition blinded (b : {ffun 'I_k -> F}) : {poly F} := P + Z_H F n * \sum_(j < k) b j *: 'X^j.
Definition seen (b : {ffun 'I_k -> F}) : {ffun 'I_k -> F} := [ffun i => (blinded b).[point i]].

(* Blinders change nothing on H. *)
Theorem blinders_are_unseen_on_H b i : (i < n)%N -> (blinded b).[omega ^+ i] = P.[omega ^+ i].
Proof.
move=> ni; rewrite /blinded hornerD hornerM.
have /eqP-> : root (Z_H F n) (omega ^+ i) by rewrite (Z_H_roots omega_root) map_f // mem_iota add0n.
by rewrite mul0r addr0.
Qed.

Lemma seen_injective : injective seen.
Proof.
move=> b b' same; apply/ffunP=> i.
pose p : {poly F} := \poly_(j < k) (if insub j is Some o then b o - b' o else 0).
have at_point j : p.[point j] = 0.
  have zj : (Z_H F n).[point j] != 0 by have := outside j; rewrite -(Z_H_roots omega_root).
  have := congr1 (fun f : {ffun 'I_k -> F} => f j) same; rewrite !ffunE /blinded !hornerD !hornerM => /addrI/(mulfI zj).
  rewrite !horner_sum => /eqP; rewrite -subr_eq0 -sumrB => /eqP zero.
  rewrite /p horner_poly -[RHS]zero; apply: eq_bigr => l _.
  by rewrite !hornerZ !hornerXn valK mulrBl.
have p0 : p = 0.
  apply/eqP; apply: contraT => nz; have roots : all (root p) [seq point j | j <- enum 'I_k].
    by apply/allP=> z /mapP[j _ ->]; apply/eqP.
  have := max_poly_roots nz roots; rewrite map_inj_uniq // enum_uniq size_map size_enum_ord => /(_ isT).
  by rewrite ltnNge size_poly.
have /polyP/(_ (i : nat)) := p0; rewrite coef_poly ltn_ord coef0 valK => /eqP.
by rewrite subr_eq0 => /eqP.
Qed.

(* Lemma 11, for one polynomial: whatever its values on H, each vector of seen values comes from exactly one choice of
   blinders. So with uniform blinders the seen values are uniform, and say nothing of the values on H. *)
Theorem seen_values_are_uniform (values : {ffun 'I_k -> F}) : #|[set b | seen b == values]| = 1%N.
Proof.
have [g _ gK] := injF_bij seen_injective.
rewrite -(cards1 (g values)); apply: eq_card => b; rewrite !inE.
by apply/eqP/eqP=> [<- | ->]; [apply: seen_injective; rewrite gK | rewrite gK].
Qed.

End Blinders.

(* Several polynomials, one after the other: what a later one shows may depend on all earlier blinders, and is uniform
   by its own; so all together are uniform and independent. *)
Theorem uniform_one_after_the_other (A A' B B' : finType) (f : A -> A') (g : A -> B -> B') :
  (forall v, #|[set a | f a == v]| = 1%N) -> (forall a v, #|[set b | g a b == v]| = 1%N) ->
  forall v w, #|[set z : A * B | (f z.1 == v) && (g z.1 z.2 == w)]| = 1%N.
Proof.
move=> uf ug v w; have /cards1P[a fa] : #|[set a | f a == v]| == 1%N by rewrite uf.
have /cards1P[b gb] : #|[set b | g a b == w]| == 1%N by rewrite ug.
rewrite -(cards1 (a, b)); apply: eq_card => -[a' b']; rewrite !inE /= xpair_eqE.
have -> : (f a' == v) = (a' == a) by have := in_set1 a' a; rewrite -fa inE.
by case: eqP => //= ->; have := in_set1 b' b; rewrite -gb inE.
Qed.

(* What shows one uniform value with a weight that is not zero, and else only what is known, is uniform: t(tau) by
   S(omega tau), t1(tau) by the blinder at its top. *)
Theorem uniform_with_a_weight (F : finFieldType) (known weight : F) (v : F) :
  weight != 0 -> #|[set x : F | (known + weight * x == v)%R]| = 1%N.
Proof.
move=> nz; rewrite -(cards1 ((v - known) / weight)); apply: eq_card => x; rewrite !inE.
apply/eqP/eqP=> [<- | ->]; first by rewrite addrC addKr mulrC mulKf.
by rewrite mulrC divfK // addrC subrK.
Qed.
