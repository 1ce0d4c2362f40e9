(* The transition between two packages: sums of claims move by certified flows alone, and fall by no more than what is
   called a withdrawal, what was unpaid before, and dust. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import integers.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.Theory.
Local Open Scope ring_scope.

(* What a package says of one slot: the accounts' values, and of each term of the slot what it holds and its flows. *)
Record package := Package {
  accounts : nat; value : nat -> int;
  terms : nat; held : nat -> int; unit : nat -> int;
  counted : nat -> int; given_out : nat -> int; strays : nat -> int; dust : nat -> int }.

Section Transition.
Variable p : nat.
Hypothesis p_prime : prime p.
Local Notation F := [finFieldType of 'F_p].

(* What its checks show: the book modulo p, ranges, and reserves. *)
Record proven (bound : int) (P : package) : Prop := Proven {
  book : \sum_(k < accounts P) (value P k)%:~R = (\sum_(i < terms P) held P i)%:~R :> F;
  ranges : forall k, (k < accounts P)%N -> `|value P k| <= bound;
  total_in_range : `|\sum_(i < terms P) held P i| <= bound;
  few_accounts : bound * (accounts P).+1%:Z < p%:Z;
  reserves : forall i, (i < terms P)%N ->
    held P i * unit P i + strays P i + dust P i = counted P i - given_out P i }.

(* There is such a package, so the hypotheses do not contradict each other. *)
Definition one_claim := let one := fun=> 1 in let none := fun=> 0 in Package 1 one 1 one one one none none none.

Theorem a_package_is_proven : (2 < p)%N -> proven 1 one_claim.
Proof. by move=> large; split=> //=; rewrite ?big_ord_recl ?big_ord0 ?addr0 //; lia. Qed.

(* The book of few accounts holds for integers. *)
Theorem book_of_integers bound P :
  proven bound P -> \sum_(k < accounts P) value P k = \sum_(i < terms P) held P i.
Proof.
case=> same small total few _; apply: (equal_modulo_p_and_near_is_equal p_prime).
  by rewrite -same rmorph_sum.
apply: le_lt_trans few; rewrite -addn1 PoszD mulrDr mulr1; apply: le_trans (ler_norm_sub _ _) _.
apply: ler_add => //; apply: le_trans (ler_norm_sum _ _ _) _.
have -> : bound * (accounts P)%:Z = \sum_(k < accounts P) bound by rewrite sumr_const card_ord -mulr_natr natz.
by apply: ler_sum => k _; exact: small.
Qed.

(* Sums of all accounts move as what the terms hold, and each term's holding by its flows alone. *)
Theorem claims_move_by_flows bound bound' P P' :
  proven bound P -> proven bound' P' ->
  (\sum_(k < accounts P') value P' k - \sum_(k < accounts P) value P k =
     \sum_(i < terms P') held P' i - \sum_(i < terms P) held P i) /\
  (forall i, (i < terms P)%N -> (i < terms P')%N ->
     held P' i * unit P' i - held P i * unit P i =
       (counted P' i - counted P i) - (given_out P' i - given_out P i)
         - (strays P' i - strays P i) - (dust P' i - dust P i)).
Proof.
move=> one two; split; first by rewrite (book_of_integers one) (book_of_integers two).
by move=> i iP iP'; move: (reserves one iP) (reserves two iP'); lia.
Qed.

(* With the bounds of the flows, claims fall by no more than what was given out, what was unpaid before, and dust. *)
Theorem claims_fall_by_no_more bound bound' P P' i unpaid dust_max :
  proven bound P -> proven bound' P' -> (i < terms P)%N -> (i < terms P')%N ->
  counted P i <= counted P' i -> dust P' i <= dust_max -> 0 <= dust P i ->
  strays P' i - strays P i <= counted P' i - counted P i + unpaid ->
  held P i * unit P i - (given_out P' i - given_out P i) - unpaid - dust_max <= held P' i * unit P' i.
Proof.
move=> one two iP iP' more little some few.
by have [_ /(_ i iP iP')] := claims_move_by_flows one two; lia.
Qed.

(* What is shown again was deposited, came back unpaid, or was a stray: dust is never claims again. *)
Theorem claims_rise_by_no_more bound bound' P P' i :
  proven bound P -> proven bound' P' -> (i < terms P)%N -> (i < terms P')%N ->
  dust P i <= dust P' i ->
  held P' i * unit P' i - held P i * unit P i <=
    (counted P' i - counted P i) + (given_out P i - given_out P' i) + (strays P i - strays P' i).
Proof.
move=> one two iP iP' grows.
by have [_ /(_ i iP iP')] := claims_move_by_flows one two; lia.
Qed.

End Transition.
