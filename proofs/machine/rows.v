(* The row identity: all slots and rows at once, as <u, D> = <v, W> + c with weights y^r. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import roots.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Rows.
Variable F : finFieldType.

(* The layout: slots and rows are numbered r, slots first; digits of r are at start r, start r + 1 ... of a column. *)
Variables (n columns slots rows : nat).
Variables (width column start : nat -> nat).
Variables (offset : nat -> F) (A : nat -> nat -> F) (b : nat -> F) (counts_sigma : nat -> bool).
Variable sigma : F.
Local Notation R := (slots + rows)%N.
Hypothesis slots_fit : (slots <= n)%N.
Hypothesis columns_fit : forall r, (r < R)%N -> (column r < columns)%N.
Hypothesis digits_fit : forall r, (r < R)%N -> (start r + width r <= n)%N.

(* The witness: digits of each column and values on H. *)
Variables (D : nat -> nat -> F) (W : nat -> F).

Definition digits r : F := \sum_(k < width r) 256%:R ^+ k * D (column r) (start r + k).
Definition row_value s : F := \sum_(j < slots) A s j * W j + (b s + (if counts_sigma s then sigma else 0)).
Definition slot_value j : F := if width j == 0%N then 0 else W j + offset j.
Definition value r : F := if (r < slots)%N then slot_value r else row_value (r - slots).

(* The public weights of a challenge y. *)
Definition u y c i : F :=
  \sum_(r < R) \sum_(k < width r | (column r == c) && ((start r + k)%N == i)) y ^+ r * 256%:R ^+ k.
Definition v y j : F :=
  if (j < slots)%N then (if width j == 0%N then 0 else y ^+ j) + \sum_(s < rows) y ^+ (slots + s) * A s j else 0.
Definition constant y : F :=
  \sum_(j < slots) (if width j == 0%N then 0 else y ^+ j * offset j)
  + \sum_(s < rows) y ^+ (slots + s) * (b s + (if counts_sigma s then sigma else 0)).
Definition u_D y : F := \sum_(c < columns) \sum_(i < n) u y c i * D c i.
Definition v_W y : F := \sum_(i < n) v y i * W i.

Lemma u_D_by_rows y : u_D y = \sum_(r < R) y ^+ r * digits r.
Proof.
rewrite /u_D (eq_bigr (fun c : 'I_columns => \sum_(r < R) \sum_(k < width r) \sum_(i < n)
  if (column r == c) && ((start r + k)%N == i) then y ^+ r * 256%:R ^+ k * D c i else 0)); last first.
  move=> c _; rewrite (eq_bigr (fun i : 'I_n => \sum_(r < R) \sum_(k < width r)
    if (column r == c) && ((start r + k)%N == i) then y ^+ r * 256%:R ^+ k * D c i else 0)); last first.
    move=> i _; rewrite /u mulr_suml; apply: eq_bigr => r _; rewrite mulr_suml big_mkcond.
    by apply: eq_bigr => k _; case: ifP.
  by rewrite exchange_big; apply: eq_bigr => r _; rewrite exchange_big.
rewrite exchange_big; apply: eq_bigr => r _; rewrite exchange_big /digits mulr_sumr; apply: eq_bigr => k _.
have cr := columns_fit (ltn_ord r); have dr := digits_fit (ltn_ord r).
have ik : (start r + k < n)%N by apply: leq_trans dr; rewrite ltn_add2l.
rewrite (bigD1 (Ordinal cr)) //= (bigD1 (Ordinal ik)) //= !eqxx /= mulrA.
rewrite !big1 ?addr0 // => [c nc | i ni]; last first.
  by case: ifP => // /eqP e; case/eqP: ni; apply/val_inj; rewrite /= e.
rewrite big1 // => i _; case: ifP => // /andP[/eqP e _]; case/eqP: nc.
by apply/val_inj; rewrite /= e.
Qed.

Lemma v_W_by_slots y : v_W y = \sum_(j < slots) v y j * W j.
Proof.
rewrite /v_W (big_ord_widen_cond n predT (fun j => v y j * W j) slots_fit) [RHS]big_mkcond /=.
by apply: eq_bigr => i _; rewrite /v; case: ifP => // _; rewrite mul0r.
Qed.

(* A value at a position without a slot enters no row. *)
Lemma positions_beyond_the_slots_do_not_count y (W' : nat -> F) :
  (forall j, (j < slots)%N -> W' j = W j) -> \sum_(i < n) v y i * W' i = v_W y.
Proof.
move=> same; apply: eq_bigr => i _; rewrite /v; case: ifP => [/same-> // | _].
by rewrite !mul0r.
Qed.

(* <u, D> - <v, W> - c is a polynomial in y whose coefficients are what each slot and row is off by. *)
Theorem row_identity y : u_D y - v_W y - constant y = \sum_(r < R) y ^+ r * (digits r - value r).
Proof.
rewrite u_D_by_rows v_W_by_slots.
rewrite [RHS](eq_bigr (fun r : 'I_R => y ^+ r * digits r - y ^+ r * value r)) => [|r _]; last by rewrite mulrBr.
rewrite sumrB -addrA -opprD; congr (_ - _).
rewrite [RHS]big_split_ord /=.
have -> : \sum_(j < slots) y ^+ j * value j
  = \sum_(j < slots) (if width j == 0%N then 0 else y ^+ j * (W j + offset j)).
  apply: eq_bigr => j _; rewrite /value ltn_ord /slot_value; case: ifP => // _; exact: mulr0.
have -> : \sum_(s < rows) y ^+ (slots + s) * value (slots + s)
  = \sum_(s < rows) (\sum_(j < slots) y ^+ (slots + s) * A s j * W j
      + y ^+ (slots + s) * (b s + (if counts_sigma s then sigma else 0))).
  apply: eq_bigr => s _; rewrite /value ltnNge leq_addr /= addKn /row_value mulrDr mulr_sumr.
  by congr (_ + _); apply: eq_bigr => j _; rewrite mulrA.
rewrite /constant big_split /=. rewrite !addrA; congr (_ + _).
rewrite [X in _ = _ + X]exchange_big /= -!big_split /=; apply: eq_bigr => j _.
rewrite /v ltn_ord mulrDl mulr_suml.
case: ifP => _; first by rewrite mul0r addr0 add0r.
by rewrite mulrDr [in RHS]addrAC.
Qed.

(* Completeness: if each slot and row is its digits, the identity holds for every y. *)
Theorem honest_rows_satisfy_the_identity y :
  (forall r, (r < R)%N -> digits r = value r) -> u_D y = v_W y + constant y.
Proof.
move=> good; apply/eqP; rewrite -subr_eq0 opprD addrA row_identity.
by rewrite big1 // => r _; rewrite good ?subrr ?mulr0.
Qed.

(* Lemma 7: if a slot or row is not its digits, at most R - 1 challenges hide it. *)
Theorem bad_y :
  (exists2 r, (r < R)%N & digits r != value r) -> (#|[set y : F | (u_D y == v_W y + constant y)%R]| <= R.-1)%N.
Proof.
case=> r rR off.
have off' : exists2 r, (r < R)%N & digits r - value r != 0 by exists r; rewrite ?subr_eq0.
apply: leq_trans (bad_challenges_of_powers off'); apply/subset_leq_card/subsetP=> y.
by rewrite !inE -row_identity -addrA -opprD subr_eq0.
Qed.

(* The identity as one of polynomials in y says that each slot and row is its digits. *)
Definition E : {poly F} := \poly_(r < R) (digits r - value r).

Lemma E_at y : E.[y] = u_D y - v_W y - constant y.
Proof. by rewrite row_identity horner_poly; apply: eq_bigr => r _; rewrite mulrC. Qed.

Theorem identity_of_polynomials_implies_every_row : E = 0 -> forall r, (r < R)%N -> digits r = value r.
Proof. by move/polyP=> zero r rR; have := zero r; rewrite coef_poly rR coef0 => /eqP; rewrite subr_eq0 => /eqP. Qed.

End Rows.
