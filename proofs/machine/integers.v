(* From the field to the integers: digits that are bytes put a value into its range, and under the layout's bounds what
   is equal modulo p is equal. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
From Crossclear Require Import rows.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory Num.Theory Order.Theory.
Local Open Scope ring_scope.

Section ModuloP.
Variable p : nat.
Hypothesis p_prime : prime p.
Local Notation F := [finFieldType of 'F_p].

Definition is_byte (x : F) := exists2 B : nat, (B < 256)%N & x = B%:R.

(* Digits that are bytes make up a natural number below 256^w. *)
Theorem range_from_digits w (d : nat -> F) :
  (forall k, (k < w)%N -> is_byte (d k)) ->
  exists2 N : nat, (N < 256 ^ w)%N & \sum_(k < w) 256%:R ^+ k * d k = N%:R.
Proof.
elim: w => [|w IH] bytes; first by exists 0%N; rewrite ?big_ord0.
have [|N Nw sum] := IH; first by move=> k kw; apply: bytes; exact: ltnW.
have [B B256 dw] := bytes w (ltnSn w); exists (N + 256 ^ w * B)%N.
  rewrite expnS; apply: leq_trans (_ : 256 ^ w * B.+1 <= _)%N; first by rewrite mulnS ltn_add2r.
  by rewrite mulnC leq_mul2r B256 orbT.
by rewrite big_ord_recr /= sum dw natrD natrM natrX.
Qed.

(* Completeness: every natural number below 256^w has w bytes. *)
Theorem digits_of_a_number (N w : nat) :
  (N < 256 ^ w)%N -> \sum_(k < w) 256%:R ^+ k * ((N %/ 256 ^ k) %% 256)%:R = N%:R :> F.
Proof.
move=> small; rewrite -[in RHS](modn_small small); elim: w {small} => [|w IH]; first by rewrite big_ord0 modn1.
rewrite big_ord_recr /= IH -natrX -natrM -natrD; congr (_%:R).
rewrite expnSr; set X := (256 ^ w)%N; have X0 : (0 < X)%N by rewrite expn_gt0.
have rX : (N %% X < X)%N by rewrite ltn_mod.
have q256 : ((N %/ X) %% 256 < 256)%N by rewrite ltn_mod.
have split : N = (N %/ X %/ 256 * (X * 256) + (X * ((N %/ X) %% 256) + N %% X))%N.
  rewrite {1}(divn_eq N X) {1}(divn_eq (N %/ X) 256) mulnDl addnA -mulnA (mulnC 256%N); congr (_ + _ + _)%N.
  exact: mulnC.
have small : (X * ((N %/ X) %% 256) + N %% X < X * 256)%N.
  by apply: leq_trans (_ : X * ((N %/ X) %% 256).+1 <= _)%N; [rewrite mulnS addnC ltn_add2r | rewrite leq_mul2l q256 orbT].
by rewrite [in RHS]split modnMDl (modn_small small) addnC.
Qed.

Lemma zero_modulo_p (a : int) : (a%:~R == 0 :> F) = (p %| `|a|)%N.
Proof.
have nat_case (m : nat) : (m%:R == 0 :> F) = (p %| m)%N by rewrite -(dvdn_charf (char_Fp p_prime)).
case: a => m; first by rewrite -pmulrn nat_case.
by rewrite NegzE mulrNz oppr_eq0 -pmulrn nat_case abszN.
Qed.

(* Numbers that are equal modulo p and nearer than p are equal. *)
Theorem equal_modulo_p_and_near_is_equal (a c : int) : a%:~R = c%:~R :> F -> `|a - c| < p%:Z -> a = c.
Proof.
move=> same near; apply/eqP; rewrite -subr_eq0 -absz_eq0.
have: (p %| `|a - c|)%N by rewrite -zero_modulo_p mulrzBr same subrr.
move: near; rewrite -abszE ltz_nat; case: (`|a - c|)%N => // m small /dvdn_leq; by lia.
Qed.

Section Layout.
Variables (slots rows : nat) (width column start : nat -> nat).
Variables (offset : nat -> nat) (A : nat -> nat -> int) (b : nat -> int) (counts_sigma : nat -> bool) (sigma : nat).
Local Notation R := (slots + rows)%N.

(* Bounds: of coefficients, of constant and shortfall together, of what digits say, and M of a value. *)
Variables (A_max b_max digits_max M : nat).
Hypothesis A_bound : forall s j, (s < rows)%N -> (j < slots)%N -> `|A s j| <= A_max%:Z.
Hypothesis b_bound : forall s, (s < rows)%N -> `|b s| + sigma%:Z <= b_max%:Z.
Hypothesis width_bound : forall r, (r < R)%N -> (256 ^ width r <= digits_max)%N.
Hypothesis offset_bound : forall j, (j < slots)%N -> width j <> 0%N -> (offset j < 256 ^ width j)%N.
Hypothesis values_bound : (slots * A_max * digits_max + b_max <= M)%N.
Hypothesis digits_below_M : (digits_max <= M)%N.
Hypothesis no_wrap_around : (slots * A_max * M + b_max + digits_max < p)%N.

(* A slot without digits is tied by an equality row that does not count sigma, to slots that have digits. *)
Definition ties s j := [/\ (s < rows)%N, width (slots + s) = 0%N, counts_sigma s = false, `|A s j| = 1
  & forall i, (i < slots)%N -> i <> j -> A s i <> 0 -> width i <> 0%N].
Variable tie : nat -> nat.
Hypothesis tied : forall j, (j < slots)%N -> width j = 0%N -> ties (tie j) j.

Variables (D : nat -> nat -> F) (W : nat -> F).
Local Notation digits := (digits width column start D).
Local Notation value := (value slots width (fun j => (offset j)%:R) (fun s j => (A s j)%:~R) (fun s => (b s)%:~R)
  counts_sigma sigma%:R W).
Hypothesis bytes : forall r k, (r < R)%N -> (k < width r)%N -> is_byte (D (column r) (start r + k)).
Hypothesis equal : forall r, (r < R)%N -> digits r = value r.

Definition row_integer (w : nat -> int) s : int :=
  \sum_(j < slots) A s j * w j + (b s + (if counts_sigma s then sigma%:Z else 0)).

Lemma natural_of_digits r : (r < R)%N -> exists2 N : nat, (N < 256 ^ width r)%N & digits r = N%:R.
Proof.
move=> rR; apply: (@range_from_digits _ (fun k => D (column r) (start r + k)%N)) => k kw.
exact: bytes.
Qed.

Definition ranged j (x : int) := [/\ W j = x%:~R, `|x| <= digits_max%:Z & 0 <= x + (offset j)%:Z < (256 ^ width j)%:Z].

Lemma slot_with_digits j : (j < slots)%N -> width j <> 0%N -> exists x, ranged j x.
Proof.
move=> js wj; have jR : (j < R)%N by exact: leq_trans js (leq_addr _ _).
have [N Nw eN] := natural_of_digits jR; exists (N%:Z - (offset j)%:Z).
have small := width_bound jR; have o := offset_bound js wj.
split; last 1 first.
- by rewrite subrK; apply/andP; split; rewrite ?lez_nat ?ltz_nat.
- have := equal jR; rewrite eN /value js /slot_value; case: eqP => // _ /eqP.
  by rewrite mulrzBr -!pmulrn -subr_eq eq_sym => /eqP.
by move: small o Nw; move: (256 ^ _)%N => X; lia.
Qed.

Definition good j (x : int) := [/\ W j = x%:~R, `|x| <= M%:Z
  & width j <> 0%N -> 0 <= x + (offset j)%:Z < (256 ^ width j)%:Z].

Lemma sum_bound (P : pred 'I_slots) s (x : nat -> int) (X : nat) :
  (s < rows)%N -> (forall i : 'I_slots, P i -> A s i <> 0 -> `|x i| <= X%:Z) ->
  `|\sum_(i < slots | P i) A s i * x i| <= (slots * A_max * X)%:Z.
Proof.
move=> sr small; apply: le_trans (ler_norm_sum _ _ _) _.
apply: le_trans (_ : \sum_(i < slots) (A_max * X)%:Z <= _); last first.
  by rewrite sumr_const card_ord -mulr_natl natz -PoszM mulnA.
rewrite big_mkcond; apply: ler_sum => i _; case: ifP => [Pi | _]; last by rewrite lez_nat.
rewrite normrM PoszM; have [-> | /eqP nz] := altP (A s i =P 0); first by rewrite normr0 mul0r mulr_ge0 // lez_nat.
by apply: ler_pmul; rewrite ?normr_ge0 ?A_bound ?small.
Qed.

Lemma slot_without_digits (x : nat -> int) j :
  (forall i, (i < slots)%N -> width i <> 0%N -> ranged i (x i)) ->
  (j < slots)%N -> width j = 0%N -> exists z, good j z.
Proof.
move=> known js wj; have [sr ws sg unit others] := tied js wj; set s := tie j in sr ws sg unit others *.
pose rest := \sum_(i < slots | i != j :> nat) A s i * x i + b s.
exists (- (A s j * rest)).
have rR : (slots + s < R)%N by rewrite ltn_add2l.
have unit2 : A s j * A s j = 1 by move: unit; case: (A s j) => [[|[|k]]|[|k]].
split=> //.
- have := equal rR; rewrite /rows.digits ws big_ord0 /value ltnNge leq_addr /= addKn /row_value sg addr0.
  rewrite (bigD1 (Ordinal js)) //= -addrA => /esym/eqP; rewrite addr_eq0 => /eqP e.
  have e2 : (A s j)%:~R * W j = - rest%:~R :> F.
    rewrite e; congr (- _); rewrite /rest intrD; congr (_ + _); rewrite raddf_sum.
    apply: eq_big => [i | i ij]; first by rewrite -(inj_eq val_inj).
    rewrite /= intrM; have [-> | /eqP nz] := altP (A s i =P 0); first by rewrite !mul0r.
    have ji : nat_of_ord i <> j by move/eqP: ij => ij h; apply: ij; apply/val_inj.
    by have [-> _ _] := known i (ltn_ord i) (others i (ltn_ord i) ji nz).
  by rewrite mulrNz intrM -mulrN -e2 mulrA -intrM unit2 mul1r.
rewrite normrN normrM unit mul1r; apply: le_trans (ler_norm_add _ _) _.
have sum : `|\sum_(i < slots | i != j :> nat) A s i * x i| <= (slots * A_max * digits_max)%:Z.
  apply: sum_bound => // i ij nz; have ji : nat_of_ord i <> j by apply/eqP.
  by have [_ -> _] := known i (ltn_ord i) (others i (ltn_ord i) ji nz).
have := b_bound sr; move: sum values_bound; set X := (_ * digits_max)%N; by lia.
Qed.

(* Where the integers behind the slots are known, from this proof or from another one about the same commitment, rows
   modulo p are rows of these integers. *)
Theorem rows_of_known_integers (w : nat -> int) :
  (forall j, (j < slots)%N -> W j = (w j)%:~R /\ `|w j| <= M%:Z) ->
  forall s, (s < rows)%N -> 0 <= row_integer w s < (256 ^ width (slots + s))%:Z.
Proof.
move=> isw s sr.
have rR : (slots + s < R)%N by rewrite ltn_add2l.
have [N Nw eN] := natural_of_digits rR.
have <- : N%:Z = row_integer w s; last by rewrite lez_nat ltz_nat Nw.
apply: equal_modulo_p_and_near_is_equal.
  rewrite -pmulrn -eN equal // /value ltnNge leq_addr /= addKn /row_value /row_integer intrD; congr (_ + _).
    rewrite raddf_sum; apply: eq_bigr => j _; have [-> _] := isw j (ltn_ord j).
    by rewrite /= intrM.
  by rewrite intrD; case: (counts_sigma s).
have sum : `|\sum_(j < slots) A s j * w j| <= (slots * A_max * M)%:Z.
  by apply: sum_bound => // i _ _; have [] := isw i (ltn_ord i).
have := b_bound sr; have := width_bound rR; rewrite /row_integer; move: no_wrap_around sum Nw.
move: (256 ^ _)%N (\sum_(_ < _) _) (slots * A_max * M)%N => X Y Z.
by case: (counts_sigma s); lia.
Qed.

(* Lemma 8: where each slot and row is its digits modulo p, and all digits are bytes, there are integers behind the
   committed values, in the ranges of their slots, that put each row into its range. A width of 0 is the range [0, 1). *)
Theorem rows_modulo_p_are_rows_of_integers :
  exists w : nat -> int,
    [/\ forall j, (j < slots)%N -> W j = (w j)%:~R,
        forall j, (j < slots)%N -> width j <> 0%N -> 0 <= w j + (offset j)%:Z < (256 ^ width j)%:Z
      & forall s, (s < rows)%N -> 0 <= row_integer w s < (256 ^ width (slots + s))%:Z].
Proof.
have choose (P : nat -> int -> Prop) (Q : pred nat) :
    (forall j, (j < slots)%N -> Q j -> exists x, P j x) -> exists x : nat -> int, forall j, (j < slots)%N -> Q j -> P j (x j).
  elim: slots => [|k IH] some; first by exists (fun=> 0).
  have [x Px] := IH (fun j jk => some j (ltnW jk)).
  have [Qk | nQk] := boolP (Q k); last first.
    exists x => j; rewrite ltnS leq_eqVlt => /orP[/eqP-> | ]; last exact: Px.
    by rewrite (negbTE nQk).
  have [z Pz] := some k (ltnSn k) Qk.
  exists (fun j => if j == k then z else x j) => j; rewrite ltnS leq_eqVlt => /orP[/eqP-> | jk Qj]; first by rewrite eqxx.
  by rewrite ltn_eqF //; apply: Px.
have [x known] : exists x, forall j, (j < slots)%N -> width j != 0%N -> ranged j (x j).
  by apply: (choose ranged (fun j => width j != 0%N)) => j js /eqP; apply: slot_with_digits.
have [w isw] : exists w, forall j, (j < slots)%N -> true -> good j (w j).
  apply: (choose good xpredT) => j js _; have [wj | /eqP wj] := altP (width j =P 0%N).
    by apply: slot_without_digits js wj => i si /eqP; apply: known.
  have [e small range] := known j js (introN eqP wj); exists (x j); split => //.
  by apply: le_trans small _; rewrite lez_nat.
exists w; split=> [j js | j js | s sr]; [by have [] := isw j js isT | by have [] := isw j js isT | ].
by apply: rows_of_known_integers => // j js; have [] := isw j js isT.
Qed.

End Layout.

Lemma powers_of_two_suffice (slots k a c m q : nat) :
  (slots <= 2 ^ k)%N -> (k + a + c < m)%N -> (k + a + m + 1 < q)%N -> (2 ^ q < p)%N ->
  [/\ (slots * 2 ^ a * 2 ^ c + 2 ^ c <= 2 ^ m)%N, (2 ^ c <= 2 ^ m)%N,
      (slots * 2 ^ a * 2 ^ m + 2 ^ c + 2 ^ c < p)%N & (2 * (slots * 2 ^ a * 2 ^ c) < p)%N].
Proof.
move=> few m_large q_large large.
have up i j : (i <= j)%N -> (2 ^ i <= 2 ^ j)%N by move=> ij; rewrite leq_pexp2l.
have twice i : (2 ^ i + 2 ^ i = 2 ^ i.+1)%N by rewrite addnn -mul2n -expnS.
have product i : (slots * 2 ^ a * 2 ^ i <= 2 ^ (k + a + i))%N by rewrite !expnD !leq_mul2r few !orbT.
have c_m : (c < m)%N by apply: leq_ltn_trans m_large; rewrite leq_addl.
split; last 1 first.
- apply: leq_ltn_trans large; apply: leq_trans (leq_mul (leqnn 2) (product c)) _.
  by rewrite -expnS up //; lia.
- apply: leq_trans (leq_add (product c) (up c (k + a + c)%N _)) _; first by rewrite leq_addl.
  by rewrite twice up.
- by rewrite up // ltnW.
apply: leq_ltn_trans large; rewrite -addnA twice.
apply: leq_trans (leq_add (product m) (up c.+1 (k + a + m)%N _)) _; first lia.
by rewrite twice up //; lia.
Qed.

(* The bounds of `linear.layout`: 2^11 slots, coefficients below 2^62, constant and shortfall below 2^63 each, at most
   8 digits. Values of slots then stay below 2^138 and rows below 2^212 < p / 2. *)
Theorem bounds_of_the_layout_suffice (slots : nat) :
  (slots <= 2 ^ 11)%N -> (2 ^ 254 < p)%N ->
  [/\ (slots * 2 ^ 62 * 2 ^ 64 + 2 ^ 64 <= 2 ^ 138)%N, (2 ^ 64 <= 2 ^ 138)%N,
      (slots * 2 ^ 62 * 2 ^ 138 + 2 ^ 64 + 2 ^ 64 < p)%N & (2 * (slots * 2 ^ 62 * 2 ^ 64) < p)%N].
Proof. by move=> few; apply: (@powers_of_two_suffice slots 11 62 64 138 254 few). Qed.

End ModuloP.
