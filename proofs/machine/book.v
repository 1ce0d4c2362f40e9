(* Batches, the book and the link of the default fund: sums of equations, and two openings with the same functional. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import roots.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Batch.
Variables (F : finFieldType) (V : lmodType F).

(* A batch: equation l is off by Delta l, fixed before the weights. The first weight is 1, the others are drawn from a
   set of weights. If something is off, at most one value of some weight, whatever the others are, makes the sum vanish. *)
Theorem bad_weight N (Delta : nat -> V) (weights : {set F}) (l : 'I_N) (others : nat -> F) :
  Delta l != 0 ->
  (#|[set w in weights | (\sum_(i < N) (if i == l then w else others i) *: Delta i == 0)%R]| <= 1)%N.
Proof.
move=> off; rewrite -(cards1 (0 : F)).
set rest := \sum_(i < N | i != l) others i *: Delta i.
have sum w : \sum_(i < N) (if i == l then w else others i) *: Delta i = w *: Delta l + rest.
  rewrite (bigD1 l) //= eqxx; congr (_ + _); apply: eq_bigr => i il.
  by rewrite (negbTE il).
rewrite cards1; apply/card_le1P=> w; rewrite inE => /andP[_ /eqP ww] w'; rewrite !inE sum.
apply/idP/idP=> [/andP[_ /eqP ww'] | /eqP->]; last by rewrite -sum ww eqxx andbT; move: ww; case: (w \in weights).
Abort.

End Batch.
