(* Many equations at once: weights that are fixed after the errors leave no room for two errors to cancel. *)
From mathcomp Require Import all_ssreflect all_algebra.
From Crossclear Require Import roots.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Batch.
Variables (F : finFieldType) (V : lmodType F) (N : nat).
(* Equation l is off by the group element Delta l, fixed before the weights. *)
Variable Delta : 'I_N -> V.

(* The sum with weight w at l and others elsewhere. *)
Definition weighted (l : 'I_N) (others : 'I_N -> F) (w : F) : V :=
  \sum_(i < N) (if i == l then w else others i) *: Delta i.

(* If equation l does not hold, at most one weight at l, whatever the others are, hides it; so of K weights at least
   K - 1 show it: the error of a batch is 1/K, and 2^-128 for weights of 128 bits. *)
Theorem bad_weight (weights : {set F}) (l : 'I_N) (others : 'I_N -> F) :
  Delta l != 0 -> (#|[set w in weights | weighted l others w == 0%R]| <= 1)%N.
Proof.
move=> off; have sum w : weighted l others w = w *: Delta l + \sum_(i < N | i != l) others i *: Delta i.
  rewrite /weighted (bigD1 l) //= eqxx; congr (_ + _); apply: eq_bigr => i il.
  by rewrite (negbTE il).
apply/card_le1_eqP=> w w'; rewrite !inE !sum => /andP[_ /eqP e] /andP[_ /eqP e'].
have same : w *: Delta l = w' *: Delta l by apply: (addIr (\sum_(i < N | i != l) others i *: Delta i)); rewrite e e'.
apply/eqP; rewrite -subr_eq0; have /eqP : (w' - w) *: Delta l = 0 by rewrite scalerBl same subrr.
by rewrite scaler_eq0 (negbTE off) orbF.
Qed.

(* The first weight is 1: if only the first equation is off, the sum is what it is off by. *)
Theorem first_equation_alone (first : 'I_N) (w : 'I_N -> F) :
  w first = 1 -> (forall l, l != first -> Delta l = 0) -> \sum_(l < N) w l *: Delta l = Delta first.
Proof.
move=> one zero; rewrite (bigD1 first) //= one scale1r big1 ?addr0 // => l ln.
by rewrite zero // scaler0.
Qed.

(* The same weights powers of one challenge r: at most N - 1 values of r hide an error (in a field of equations). *)
Theorem bad_power (error : nat -> F) :
  (exists2 l, (l < N)%N & error l != 0) -> (#|[set r : F | (\sum_(l < N) r ^+ l * error l == 0)%R]| <= N.-1)%N.
Proof. exact: bad_challenges_of_powers. Qed.

End Batch.
