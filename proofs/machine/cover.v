(* The default fund: vectors V_s are linked to the accounts' commitments by one linear functional of both, and what they
   say covers the two largest members. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify ring.
From Crossclear Require Import roots domain.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.Theory.
Local Open Scope ring_scope.

Section Link.
Variables (F : finFieldType) (n : nat) (omega : F).
Hypothesis omega_root : n.-primitive_root omega.
Variables (members stresses accounts : nat) (member : nat -> nat) (slot : nat -> nat).
Local Notation M := members.
Hypothesis vectors_fit : (2 * M < n)%N.
Hypothesis slots_fit : forall s, (s < stresses)%N -> (slot s < n)%N.
Hypothesis member_of : forall k, (k < accounts)%N -> (member k < M)%N.
(* Fixed before r and y: a vector for each stress, and the accounts' values. *)
Variables (V W : nat -> {poly F}).

(* x_m stands at m, e_m at M + m, t at 2 M. *)
Definition x m s : F := (V s).[omega ^+ m].
Definition e m s : F := (V s).[omega ^+ (M + m)].
Definition t s : F := (V s).[omega ^+ (2 * M)].
Definition U m s : F := \sum_(k < accounts | member k == m) (W k).[omega ^+ slot s].
Definition off m s : F := x m s + t s - e m s - U m s.

Section Weights.
Variables r y : F.
Definition joined_V : {poly F} := \sum_(s < stresses) y ^+ s *: V s.
Definition K : {poly F} := \sum_(k < accounts) r ^+ member k *: W k.
Definition a (i : nat) : F := \sum_(m < M) r ^+ m * ((i == m)%:R - (i == M + m)%N%:R + (i == 2 * M)%N%:R).
Definition b (i : nat) : F := \sum_(s < stresses) y ^+ s * (i == slot s)%:R.
Definition a_poly : {poly F} := interpolant n omega a.
Definition b_poly : {poly F} := interpolant n omega b.

Lemma sum_at (g : nat -> F) j : (j < n)%N -> \sum_(i < n) (i == j :> nat)%:R * g i = g j.
Proof.
move=> jn; rewrite (bigD1 (Ordinal jn)) //= eqxx mul1r big1 ?addr0 // => i ij.
rewrite (_ : (_ == _) = false) ?mul0r //; apply/negbTE; apply: contra ij => /eqP h.
by apply/eqP/val_inj.
Qed.

(* One functional of both sides: what each member and stress is off by, in powers of r and y. *)
Theorem link_identity :
  \sum_(i < n) (a_poly * joined_V - b_poly * K).[omega ^+ i]
  = \sum_(s < stresses) \sum_(m < M) y ^+ s * r ^+ m * off m s.
Proof.
rewrite (eq_bigr (fun i : 'I_n => a i * joined_V.[omega ^+ i] - b i * K.[omega ^+ i])); last first.
  by move=> i _; rewrite hornerD hornerN !hornerM !(interpolant_at omega_root).
rewrite sumrB.
have -> : \sum_(i < n) a i * joined_V.[omega ^+ i]
  = \sum_(s < stresses) \sum_(m < M) y ^+ s * r ^+ m * (x m s + t s - e m s).
  rewrite /a (eq_bigr (fun i : 'I_n => \sum_(m < M) r ^+ m * (((i == m :> nat)%:R - (i == M + m :> nat)%N%:R
      + (i == 2 * M :> nat)%N%:R) * joined_V.[omega ^+ i]))); last first.
    by move=> i _; rewrite mulr_suml; apply: eq_bigr => m _; rewrite mulrA.
  rewrite exchange_big [RHS]exchange_big /=; apply: eq_bigr => m _; rewrite -mulr_sumr.
  rewrite (eq_bigr (fun i : 'I_n => (i == m :> nat)%:R * joined_V.[omega ^+ i]
      - (i == M + m :> nat)%N%:R * joined_V.[omega ^+ i] + (i == 2 * M :> nat)%N%:R * joined_V.[omega ^+ i])); last first.
    by move=> i _; rewrite mulrDl mulrBl.
  have mM := ltn_ord m.
  rewrite big_split sumrB /= !(sum_at (fun i => joined_V.[omega ^+ i])) //; try lia.
  rewrite /joined_V !horner_sum -sumrB -big_split mulr_sumr; apply: eq_bigr => s _.
  rewrite !hornerZ /x /e /t; move: ((V s).[_]) ((V s).[_]) ((V s).[_]) (y ^+ _) (r ^+ _) => x1 x2 x3 x4 x5 /=; ring.
have -> : \sum_(i < n) b i * K.[omega ^+ i] = \sum_(s < stresses) \sum_(m < M) y ^+ s * r ^+ m * U m s.
  rewrite /b (eq_bigr (fun i : 'I_n => \sum_(s < stresses) y ^+ s * ((i == slot s :> nat)%:R * K.[omega ^+ i]))); last first.
    by move=> i _; rewrite mulr_suml; apply: eq_bigr => s _; rewrite mulrA.
  rewrite exchange_big /=; apply: eq_bigr => s _; rewrite -mulr_sumr (sum_at (fun i => K.[omega ^+ i])) ?slots_fit //.
  rewrite /K horner_sum mulr_sumr.
  rewrite (partition_big (fun k : 'I_accounts => Ordinal (member_of (ltn_ord k))) predT) //=; apply: eq_bigr => m _.
  rewrite /U mulr_sumr; apply: eq_big => [k | k /eqP km]; first by rewrite -(inj_eq val_inj).
  by rewrite hornerZ -km mulrA.
rewrite -sumrB; apply: eq_bigr => s _; rewrite -sumrB; apply: eq_bigr => m _.
by rewrite -mulrBr.
Qed.

(* The verifier's identity of polynomials: G is a running sum of aV - bK on H. *)
Definition linked (G q : {poly F}) := G \Po (omega *: 'X) - G - a_poly * joined_V + b_poly * K = q * Z_H F n.

Lemma linked_sum_is_zero G q : linked G q -> \sum_(i < n) (a_poly * joined_V - b_poly * K).[omega ^+ i] = 0.
Proof.
move=> link; apply: (running_sum_closes omega_root (S := G)) => i ni.
have /(congr1 (fun p : {poly F} => p.[omega ^+ i])) := link; rewrite hornerM.
have /eqP-> : root (Z_H F n) (omega ^+ i) by rewrite (Z_H_roots omega_root) map_f // mem_iota add0n.
rewrite mulr0 -addrA hornerD [in X in X + _]hornerD hornerN horner_comp hornerZ hornerX => /eqP.
rewrite addr_eq0 => /eqP->; rewrite -hornerN; congr (_.[_]).
by rewrite opprD opprK.
Qed.

End Weights.

(* The link of two commitments: if a member and stress is off, at most S + M - 2 of |F| pairs of challenges admit any
   G and q. *)
Theorem bad_links (linkable : {set F * F}) m s :
  (m < M)%N -> (s < stresses)%N -> off m s != 0 ->
  (forall z, z \in linkable -> exists G, exists q, linked z.2 z.1 G q) ->
  (#|linkable| <= (stresses.-1 + M.-1) * #|F|)%N.
Proof.
move=> mM sS wrong link.
have some : exists2 s, (s < stresses)%N & exists2 m, (m < M)%N & off m s != 0 by exists s => //; exists m.
apply: leq_trans (bad_pairs_of_powers some); apply/subset_leq_card/subsetP=> z /link[G [q zero]].
by rewrite inE -link_identity (linked_sum_is_zero zero).
Qed.

End Link.

(* Over the integers: with x and e at least zero, any two members lack no more than the fund and the listed deficit. *)
Theorem fund_covers_any_two_members (M : nat) (x e U : 'I_M -> int) (t fund sigma : int) (m m' : 'I_M) :
  (forall i, 0 <= x i) -> (forall i, 0 <= e i) -> (forall i, x i + t - e i - U i = 0) ->
  0 <= fund - \sum_i x i - 2%:Z * t + sigma -> m != m' -> U m + U m' <= fund + sigma.
Proof.
move=> x0 e0 link row mm.
have two : x m + x m' <= \sum_i x i.
  rewrite (bigD1 m) //= (bigD1 m') 1?eq_sym //= addrA ler_addl.
  by apply: sumr_ge0 => i _; apply: x0.
by move: two row (e0 m) (e0 m') (link m) (link m'); move: (\sum_i x i) => X; lia.
Qed.
