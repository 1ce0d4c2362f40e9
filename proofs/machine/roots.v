(* How many challenges are bad: roots of polynomials over a finite field, in one variable and in several. *)
From mathcomp Require Import all_ssreflect all_algebra.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Roots.
Variable F : finFieldType.
Implicit Types (p : {poly F}) (N S M : nat).

(* A polynomial that is not zero has at most as many roots as its degree. *)
Theorem bad_points_of_a_polynomial p : p != 0 -> (#|[set x | root p x]| <= (size p).-1)%N.
Proof.
move=> p0; rewrite cardE -ltnS prednK ?lt0n ?size_poly_eq0 //.
apply: max_poly_roots => //; last by rewrite enum_uniq.
by apply/allP=> x; rewrite mem_enum inE.
Qed.

(* The same with a bound of the degree in the place of the degree. *)
Lemma bad_points_below p d : p != 0 -> (size p <= d.+1)%N -> (#|[set x | root p x]| <= d)%N.
Proof.
move=> p0 pd; apply: leq_trans (bad_points_of_a_polynomial p0) _.
by rewrite -ltnS prednK ?lt0n ?size_poly_eq0.
Qed.

(* Powers of one challenge keep N numbers apart: all are zero, or at most N - 1 challenges make their sum vanish. *)
Theorem bad_challenges_of_powers N (c : nat -> F) :
  (exists2 i, (i < N)%N & c i != 0) -> (#|[set x : F | (\sum_(i < N) x ^+ i * c i == 0)%R]| <= N.-1)%N.
Proof.
case=> i iN ci; set p := \poly_(i < N) c i.
have p0 : p != 0 by apply: contraNneq ci => /polyP/(_ i); rewrite coef_poly iN coef0 => ->.
have -> : [set x : F | \sum_(i < N) x ^+ i * c i == 0] = [set x | root p x].
  apply/setP=> x; rewrite !inE /root horner_poly; congr (_ == 0).
  by apply: eq_bigr => j _; rewrite mulrC.
by apply: bad_points_below => //; rewrite prednK ?(leq_ltn_trans _ iN) // size_poly.
Qed.

(* At each of several places numbers are combined with the same powers of one challenge. All are zero everywhere, or at
   most N - 1 challenges make all sums vanish. *)
Theorem bad_challenges_of_powers_at_places (I : finType) N (c : I -> nat -> F) :
  (exists h, exists2 i, (i < N)%N & c h i != 0) ->
  (#|[set x : F | [forall h, (\sum_(i < N) x ^+ i * c h i == 0)%R]]| <= N.-1)%N.
Proof.
case=> h ci; apply: leq_trans (bad_challenges_of_powers ci).
by apply/subset_leq_card/subsetP=> x; rewrite !inE => /forallP/(_ h).
Qed.

(* A challenge that joins two numbers: both are zero, or one challenge at most makes the sum vanish. *)
Lemma bad_challenges_of_two (a b : F) : (a != 0) || (b != 0) -> (#|[set x : F | (a + x * b == 0)%R]| <= 1)%N.
Proof.
case: (altP (b =P 0)) => [-> | b0] ab.
  rewrite orbF in ab; rewrite (_ : [set _ | _] = set0) ?cards0 //.
  by apply/setP=> x; rewrite !inE mulr0 addr0 (negbTE ab).
apply: leq_trans (subset_leq_card _) (eq_leq (cards1 (- a / b))).
apply/subsetP=> x; rewrite !inE addr_eq0 => /eqP->.
by rewrite opprK mulfK.
Qed.

(* Two challenges drawn together, in powers: by total degree. *)
Theorem bad_pairs_of_powers S M (c : nat -> nat -> F) :
  (exists2 s, (s < S)%N & exists2 m, (m < M)%N & c s m != 0) ->
  (#|[set z : F * F | (\sum_(s < S) \sum_(m < M) z.1 ^+ s * z.2 ^+ m * c s m == 0)%R]| <= (S.-1 + M.-1) * #|F|)%N.
Proof.
case=> s sS [m mM cm]; set bad := [set z : F * F | _].
pose inner r s' := \sum_(m < M) r ^+ m * c s' m.
pose B := [set r : F | inner r s == 0].
have nB : (#|B| <= M.-1)%N by apply: bad_challenges_of_powers; exists m.
rewrite -sum1_card (eq_bigl (fun z => (z \in bad))) //.
rewrite (eq_bigl (fun z => true && (z \in bad))) // (partition_big (fun z : F * F => z.2) predT) //=.
rewrite (bigID (mem B)) /= mulnDl addnC; apply: leq_add.
  apply: leq_trans (_ : \sum_(r | r \notin B) S.-1 <= _)%N; last first.
    by rewrite sum_nat_const mulnC leq_mul2l max_card orbT.
  apply: leq_sum => r; rewrite inE => rB.
  have := @bad_challenges_of_powers S (inner r) (ex_intro2 _ _ s sS rB).
  apply: leq_trans; rewrite sum1_card.
  rewrite -(card_in_imset (f := fun z : F * F => z.1) (D := [pred z | (z \in bad) && (z.2 == r)])); last first.
    by move=> [a b] [a' b']; rewrite !inE /= => /andP[_ /eqP->] /andP[_ /eqP->] ->.
  apply: subset_leq_card; apply/subsetP=> x /imsetP[[a b]]; rewrite !inE /= => /andP[/eqP h /eqP br] ->.
  apply/eqP; rewrite -[RHS]h; apply: eq_bigr => i _; rewrite /inner mulr_sumr br.
  by apply: eq_bigr => j _; rewrite mulrA.
apply: leq_trans (_ : \sum_(r in B) #|F| <= _)%N; last by rewrite sum_nat_const leq_mul2r nB orbT.
apply: leq_sum => r _; rewrite sum1_card.
rewrite -(card_in_imset (f := fun z : F * F => z.1) (D := [pred z | (z \in bad) && (z.2 == r)])) ?max_card //.
by move=> [a b] [a' b']; rewrite !inE /= => /andP[_ /eqP->] /andP[_ /eqP->] ->.
Qed.

End Roots.
