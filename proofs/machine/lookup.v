(* The lookup argument logUp: what is added up over the digits as 1/(alpha + D) and over the table as m/(alpha + T) is
   equal only if every digit is in the table, but for few alpha. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import roots.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section PartialFractions.
Variable F : finFieldType.
Implicit Types (V : {set F}) (c : F -> F) (alpha : F).

(* A sum of c(x) / (X + x) with its denominators multiplied out. *)
Definition numerator V c : {poly F} := \sum_(x in V) c x *: \prod_(z in V :\ x) ('X + z%:P).

Lemma numerator_at V c alpha :
  (forall x, x \in V -> alpha + x != 0) ->
  (numerator V c).[alpha] = (\sum_(x in V) c x / (alpha + x)) * \prod_(z in V) (alpha + z).
Proof.
move=> poles; rewrite /numerator horner_sum mulr_suml; apply: eq_bigr => x xV.
rewrite hornerZ horner_prod (big_setD1 x xV) /= mulrA mulfVK ?poles //.
rewrite (eq_bigr (fun z => alpha + z)) // => z _; by rewrite hornerD hornerX hornerC.
Qed.

Lemma numerator_at_a_pole V c x : x \in V -> (numerator V c).[- x] = c x * \prod_(z in V :\ x) (z - x).
Proof.
move=> xV; rewrite /numerator horner_sum (bigD1 x) //= hornerZ horner_prod [X in _ + X]big1 ?addr0.
  by rewrite (eq_bigr (fun z => z - x)) // => z _; rewrite hornerD hornerX hornerC addrC.
move=> y /andP[yV yx]; rewrite hornerZ horner_prod (big_setD1 x) /=; last by rewrite !inE eq_sym yx.
by rewrite hornerD hornerX hornerC addNr mul0r mulr0.
Qed.

Lemma pole_residue_neq0 V x : \prod_(z in V :\ x) (z - x) != 0 :> F.
Proof. by apply/prodf_neq0 => z; rewrite !inE subr_eq0 => /andP[]. Qed.

Lemma size_numerator V c : (size (numerator V c) <= #|V|)%N.
Proof.
apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP=> x xV.
apply: leq_trans (size_scale_leq _ _) _.
rewrite (eq_bigr (fun z => 'X - (- z)%:P)); last by move=> z _; rewrite polyCN opprK.
by rewrite -big_enum /= size_prod_XsubC -cardE (cardsD1 x V) xV.
Qed.

Lemma numerator_neq0 V c x : x \in V -> c x != 0 -> numerator V c != 0.
Proof.
move=> xV cx; apply: contraNneq cx => zero; have := numerator_at_a_pole c xV.
by rewrite zero horner0 => /eqP; rewrite eq_sym mulf_eq0 (negbTE (pole_residue_neq0 V x)) orbF.
Qed.

(* A fraction with a pole is not zero, and vanishes at fewer points than it has poles. *)
Theorem bad_points_of_a_fraction V c x :
  x \in V -> c x != 0 ->
  (#|[set alpha : F | [forall y in V, (alpha + y != 0)%R] && (\sum_(y in V) c y / (alpha + y) == 0)%R]| <= #|V|.-1)%N.
Proof.
move=> xV cx; have nz := numerator_neq0 xV cx.
have small : (size (numerator V c) <= #|V|.-1.+1)%N
  by rewrite prednK ?size_numerator //; apply/card_gt0P; exists x.
apply: leq_trans (bad_points_below nz small); apply/subset_leq_card/subsetP=> alpha; rewrite !inE.
case/andP=> /forall_inP poles /eqP zero; rewrite /root numerator_at ?zero ?mul0r //.
Qed.

End PartialFractions.

Local Notation tofrac := (@FracField.tofrac _).
Local Notation "x %:F" := (tofrac x) (at level 2, format "x %:F").

Section Lookup.
Variables (F : finFieldType) (I B : finType).
Variables (D : I -> F) (T : B -> F) (m : B -> F).
(* The table states no value twice; there are fewer digits than the characteristic. *)
Hypothesis T_injective : injective T.
Hypothesis few : forall k, (0 < k <= #|I|)%N -> k%:R != 0 :> F.

Definition values : {set F} := [set D i | i in I] :|: [set T b | b in B].
Definition residue (x : F) : F := #|[set i | D i == x]|%:R - \sum_(b | T b == x) m b.
Definition in_table (x : F) := [exists b, T b == x].

(* The same sum, by distinct values; phi embeds F into a field in which e x stands for 1 / (X + x). *)
Lemma sum_by_values (K : fieldType) (phi : {rmorphism F -> K}) (e : F -> K) :
  \sum_i e (D i) - \sum_b phi (m b) * e (T b) = \sum_(x in values) phi (residue x) * e x.
Proof.
rewrite (partition_big D (mem values)) /=; last by move=> i _; rewrite inE imset_f.
rewrite (partition_big T (mem values) (P := predT)) /=; last by move=> b _; rewrite inE orbC imset_f.
rewrite -sumrB; apply: eq_bigr => x _; rewrite /residue rmorphB mulrBl; congr (_ - _).
  rewrite (eq_bigr (fun=> e x)); last by move=> i /eqP->.
  by rewrite sumr_const rmorph_nat mulr_natl cardsE.
by rewrite raddf_sum mulr_suml; apply: eq_bigr => b /eqP->.
Qed.

Lemma sum_of_fractions alpha :
  \sum_i (alpha + D i)^-1 - \sum_b m b / (alpha + T b) = \sum_(x in values) residue x / (alpha + x).
Proof. exact: (sum_by_values [rmorphism of idfun] (fun x => (alpha + x)^-1)). Qed.

Lemma residue_outside_the_table i : ~~ in_table (D i) -> residue (D i) != 0.
Proof.
move=> out; rewrite /residue [X in _ - X]big1 ?subr0; last first.
  by move=> b tb; case/negP: out; apply/existsP; exists b.
apply: few; rewrite max_card andbT; apply/card_gt0P; exists i; by rewrite inE.
Qed.

Lemma card_values : (#|values| <= #|I| + #|B|)%N.
Proof. by apply: leq_trans (leq_card_setU _ _) _; rewrite leq_add // leq_imset_card. Qed.

(* Lemma 6. If a digit is not in the table, at most N n + 255 values of alpha make both sums equal; those at which a
   denominator is zero are refused or seen by the lookup equations. *)
Theorem bad_alpha :
  (exists i, ~~ in_table (D i)) ->
  (#|[set alpha : F | [&& [forall i, (alpha + D i != 0)%R], [forall b, (alpha + T b != 0)%R]
      & (\sum_i (alpha + D i)^-1 == \sum_b m b / (alpha + T b))%R]]| <= (#|I| + #|B|).-1)%N.
Proof.
case=> i out; have iV : D i \in values by rewrite inE imset_f.
apply: leq_trans (_ : #|values|.-1 <= _)%N; last by have := card_values; lia.
apply: leq_trans (bad_points_of_a_fraction iV (residue_outside_the_table out)).
apply/subset_leq_card/subsetP=> alpha; rewrite !inE => /and3P[/forallP d /forallP t].
rewrite -subr_eq0 sum_of_fractions => ->; rewrite andbT; apply/forall_inP=> x.
by rewrite inE => /orP[] /imsetP[y _ ->].
Qed.

(* As an identity of rational functions: with equal sums every digit is in the table, and m counts the digits. *)
Theorem equal_fractions_put_digits_in_the_table :
  \sum_i (('X + (D i)%:P)%:F)^-1 = \sum_b (m b)%:P%:F / ('X + (T b)%:P)%:F ->
  (forall i, in_table (D i)) /\ (forall b, m b = #|[set i | D i == T b]|%:R).
Proof.
move/eqP; rewrite -subr_eq0.
rewrite (sum_by_values [rmorphism of tofrac \o polyC] (fun x => (('X + x%:P)%:F)^-1)) => /eqP zero.
have none x : x \in values -> residue x = 0.
  move=> xV; apply/eqP; apply: contraT => cx; have /negP[] := numerator_neq0 xV cx.
  rewrite -tofrac_eq0; apply/eqP; apply: etrans (_ : 0 * \prod_(z in values) ('X + z%:P)%:F = _); last exact: mul0r.
  rewrite -zero mulr_suml /numerator raddf_sum /=; apply: eq_bigr => y yV.
  rewrite (big_setD1 y yV) /= mulrA mulfVK; last by rewrite tofrac_eq0 -size_poly_eq0 size_XaddC.
  by rewrite -mul_polyC rmorphM rmorph_prod.
split=> [i | b].
  by apply: contraT => /residue_outside_the_table; rewrite none ?eqxx // inE imset_f.
have/none/eqP: T b \in values by rewrite inE orbC imset_f.
rewrite subr_eq0 => /eqP->; rewrite (big_pred1 b) // => b' /=.
by rewrite (inj_eq T_injective).
Qed.

(* Completeness: with every digit in the table and m its counts, the sums are equal for every alpha. *)
Theorem honest_multiplicities_balance alpha :
  (forall i, in_table (D i)) -> (forall b, m b = #|[set i | D i == T b]|%:R) ->
  \sum_i (alpha + D i)^-1 = \sum_b m b / (alpha + T b).
Proof.
move=> table counts; apply/eqP; rewrite -subr_eq0 sum_of_fractions big1 // => x xV.
have [b <-] : exists b, T b = x.
  move: xV; rewrite inE => /orP[] /imsetP[y _ ->]; last by exists y.
  by have /existsP[b /eqP] := table y; exists b.
rewrite /residue (big_pred1 b) => [|b' /=]; first by rewrite counts subrr mul0r.
by rewrite (inj_eq T_injective).
Qed.

End Lookup.
