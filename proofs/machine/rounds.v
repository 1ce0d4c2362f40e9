(* Soundness round by round: a state once doomed stays doomed but for few challenges, so few runs are accepted. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Lemma card_by_first (A B : finType) (X : {set A * B}) : #|X| = \sum_a #|[set x | (a, x) \in X]|.
Proof.
rewrite -sum1_card (eq_bigr (fun a => \sum_(x | (a, x) \in X) 1)); last first.
  by move=> a _; rewrite -sum1_card; apply: eq_bigl => x; rewrite inE.
by rewrite pair_big_dep /=; apply: eq_bigl => -[a x].
Qed.

Section Rounds.
Variable F : finType.

(* The challenges of k rounds, the last one outermost. *)
Fixpoint challenges k : finType := if k is k'.+1 then [finType of challenges k' * F] else [finType of unit].

Definition past k (c : challenges k.+1) : challenges k := c.1.
Definition last k (c : challenges k.+1) : F := c.2.

Variables (doomed : forall k, challenges k -> bool) (error : nat -> nat) (rounds : nat).
Hypothesis doomed_at_first : doomed (k := 0) tt.
Hypothesis stays_doomed : forall k (past : challenges k),
  k < rounds -> doomed past -> #|[set x : F | ~~ doomed (k := k.+1) (past, x)]| <= error k.

Lemma number_of_challenges k : #|challenges k| = #|F| ^ k.
Proof. by elim: k => [|k IH]; rewrite ?card_unit // card_prod expnSr IH. Qed.

(* Of all |F|^k runs of k rounds, at most the share (sum of the errors) / |F| lets the prover escape. *)
Theorem runs_that_escape k :
  k <= rounds -> #|[set c : challenges k | ~~ doomed c]| * #|F| <= (\sum_(i < k) error i) * #|F| ^ k.
Proof.
elim: k => [_ | k IH k_rounds].
  rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> -[]; by rewrite !inE doomed_at_first.
rewrite big_ord_recr /= expnSr mulnA leq_mul2r mulnDl; apply/orP; right.
rewrite card_by_first (bigID (fun c => ~~ doomed c)) /=; apply: leq_add.
  apply: leq_trans (IH (ltnW k_rounds)); rewrite -sum_nat_const [X in _ <= X](eq_bigl (fun c => ~~ doomed c)); last first.
    by move=> c; rewrite inE.
  by apply: leq_sum => past _; apply: max_card.
apply: leq_trans (_ : \sum_(c : challenges k) error k <= _); last first.
  by rewrite sum_nat_const number_of_challenges mulnC.
rewrite big_mkcond; apply: leq_sum => past _; rewrite negbK; case: ifP => // doom.
apply: leq_trans (stays_doomed k_rounds doom); apply/subset_leq_card/subsetP=> x; by rewrite !inE.
Qed.

End Rounds.
