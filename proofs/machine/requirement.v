(* The expected shortfall by its extra slots: whatever threshold a prover picks, it is charged at least the mean of the
   worst losses (Rockafellar and Uryasev, 2000). *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.Theory.
Local Open Scope ring_scope.

(* worst: any of the scenarios, as many as the mean is taken of; x: what the excess slots say. *)
Theorem no_threshold_understates_the_expected_shortfall (I : finType) (loss x : I -> int) (t : int) (worst : {set I}) :
  (forall i, 0 <= x i) -> (forall i, loss i - t <= x i) ->
  \sum_(i in worst) loss i <= #|worst|%:Z * t + \sum_i x i.
Proof.
move=> positive excess; apply: le_trans (_ : \sum_(i in worst) (t + x i) <= _).
  by apply: ler_sum => i _; rewrite -ler_subl_addl.
rewrite big_split /= sumr_const -mulr_natl natz ler_add2l [X in _ <= X](bigID (mem worst)) /= ler_addl.
by apply: sumr_ge0.
Qed.

(* Maxima by their rows: a slot that is at least each loss is at least their maximum, so overstating only charges more. *)
Theorem no_maximum_is_understated (I : finType) (loss : I -> int) (r worst : int) :
  (forall i, loss i <= r) -> (exists i, loss i = worst) -> worst <= r.
Proof. by move=> rows [i <-]. Qed.

(* Charges on |q| by two slots of zero or more with q = l - h. *)
Theorem two_slots_charge_the_absolute_value (q l h : int) : 0 <= l -> 0 <= h -> q = l - h -> `|q| <= l + h.
Proof. by move=> l0 h0 ->; lia. Qed.
