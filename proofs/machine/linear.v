(* The linear proof as a whole: a prover of any strategy, whose points are polynomials, is accepted about digits that are
   no bytes or rows that do not hold in at most the stated number of runs. Lemmas 1 to 7 of the notes, put together. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify ring.
From Crossclear Require Import roots domain lookup rows openings rounds.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Section Linear.
Variables (F : finFieldType) (n : nat) (omega : F).
Hypothesis omega_root : n.-primitive_root omega.
Local Notation Z_H := (Z_H F n).

(* The layout, as in rows.v; accounts k < accounts, columns c < columns, both together i = k columns + c < N. *)
Variables (accounts columns slots rows : nat).
Variables (width column start : nat -> nat).
Variables (offset : nat -> F) (A : nat -> nat -> F) (b : nat -> F) (counts_sigma : nat -> bool) (sigma : nat -> F).
Local Notation R := (slots + rows)%N.
Local Notation N := (accounts * columns)%N.
Hypothesis slots_fit : (slots <= n)%N.
Hypothesis columns_fit : forall r, (r < R)%N -> (column r < columns)%N.
Hypothesis digits_fit : forall r, (r < R)%N -> (start r + width r <= n)%N.
Hypothesis some_account : (0 < accounts)%N.
Hypothesis some_column : (0 < columns)%N.

(* Fewer digits than the characteristic, which a byte is below too. *)
Hypothesis characteristic : forall k, (0 < k <= maxn (N * n) 255)%N -> k%:R != 0 :> F.

(* The table on H, of degree d_T at most, and the degrees of all that is committed to. *)
Variables (T : {poly F}) (d d_T d_Q : nat).
Hypothesis T_on_H : forall j, (j < n)%N -> T.[omega ^+ j] = (j %% 256)%:R.
Hypothesis T_size : (size T <= d_T.+1)%N.
Hypothesis d_Q_lookup : (2 * d + d_T <= d_Q)%N.
Hypothesis d_Q_weights : (d + n - 1 <= d_Q)%N.
Hypothesis d_Q_quotient : (d + 2 * n + 2 <= d_Q)%N.

(* Fixed before any challenge: values and digits of each account, multiplicities. *)
Variables (W D : nat -> {poly F}) (m : {poly F}).
(* What the prover sends later is any function of the challenges before it. *)
Variables (f : F -> F -> F -> nat -> {poly F}) (S : F -> F -> F -> F -> {poly F}).
Variables (t1 t2 : F -> F -> F -> F -> F -> {poly F}).
Variables (D_bar : F -> F -> F -> F -> F -> F -> nat -> F) (S_bar : F -> F -> F -> F -> F -> F -> F).
Variables (pi_1 pi_2 : F -> F -> F -> F -> F -> F -> F -> {poly F}).
Definition small (P : {poly F}) := (size P <= d.+1)%N.
Hypothesis W_small : forall k, small (W k).
Hypothesis D_small : forall i, small (D i).
Hypothesis m_small : small m.
Hypothesis f_small : forall al y be i, small (f al y be i).
Hypothesis S_small : forall al y be de, small (S al y be de).
Hypothesis t1_small : forall al y be de ga, small (t1 al y be de ga).
Hypothesis t2_small : forall al y be de ga, small (t2 al y be de ga).

(* What is to be shown. *)
Definition account_digits k c j : F := (D (k * columns + c)%N).[omega ^+ j].
Definition account_values k j : F := (W k).[omega ^+ j].
Definition is_byte (x : F) := [exists b : 'I_256, x == b%:R].
Definition all_bytes := [forall i : 'I_N, forall j : 'I_n, is_byte (D i).[omega ^+ j]].
Definition digits_of k r := digits width column start (account_digits k) r.
Definition value_of k r := value slots width offset A b counts_sigma (sigma k) (account_values k) r.
Definition all_rows := [forall k : 'I_accounts, forall r : 'I_R, digits_of k r == value_of k r].

(* Public polynomials and numbers of a challenge y. *)
Definition U y c : {poly F} := locked (interpolant n omega (u slots rows width column start y c)).
Definition V y : {poly F} := locked (interpolant n omega (v slots rows width A y)).
Definition c_of y k : F := constant slots rows width offset b counts_sigma (sigma k) y.
Definition E_of y k : F :=
  u_D n columns slots rows width column start (account_digits k) y
  - v_W n slots rows width A (account_values k) y - c_of y k.

(* The equations on H. *)
Definition lookup al y be i : {poly F} :=
  if i == 0%N then f al y be 0 * (al%:P + D 0) * (al%:P + T) - (al%:P + T) + m * (al%:P + D 0)
  else f al y be i * (al%:P + D i) - 1.
Definition step al y be de : {poly F} := locked (
  \sum_(i < N) f al y be i
  + be *: \sum_(k < accounts) de ^+ (k * columns) *:
      (\sum_(c < columns) U y c * D (k * columns + c)%N - V y * W k - (c_of y k / n%:R)%:P)).
Definition running al y be de : {poly F} :=
  locked (S al y be de \Po (omega *: 'X) - S al y be de - step al y be de).
Definition lookups al y be de : {poly F} := locked (\sum_(i < N) de ^+ i *: lookup al y be i).
Definition Q al y be de ga : {poly F} :=
  lookups al y be de + ga *: running al y be de - (t1 al y be de ga + 'X^(n + 2) * t2 al y be de ga) * Z_H.

(* The verifier's linear combination, with claimed values in it. *)
Section Claimed.
Variables (al y be de ga ze : F) (claimed : nat -> F) (s_bar : F).
Definition e_of i : F := if i == 0%N then al + T.[ze] else 1.
Definition Lz : {poly F} :=
  \sum_(i < N) (de ^+ i * (al + claimed i) * e_of i - ga) *: f al y be i
  + (al + claimed 0%N) *: m
  + \sum_(k < accounts) (de ^+ (k * columns) * ga * be * (V y).[ze]) *: W k
  - ga *: S al y be de
  - Z_H.[ze] *: (t1 al y be de ga + ze ^+ (n + 2) *: t2 al y be de ga)
  + (ga * s_bar - \sum_(i < N) de ^+ i * e_of i
     + \sum_(k < accounts) de ^+ (k * columns) * ga * be
         * (c_of y k / n%:R - \sum_(c < columns) (U y c).[ze] * claimed (k * columns + c)%N))%:P.
Definition opened r : {poly F} := Lz + \sum_(i < N) r ^+ i.+1 *: (D i - (claimed i)%:P).
End Claimed.

Lemma some_digits : (0 < N)%N. Proof. by rewrite muln_gt0 some_account. Qed.

Lemma lookup_at al y be i x :
  (lookup al y be i).[x]
  = (f al y be i).[x] * (al + (D i).[x]) * e_of al x i - e_of al x i + (if i == 0%N then m.[x] * (al + (D 0).[x]) else 0).
Proof.
rewrite /lookup /e_of; case: i => [|i] /=; rewrite !(hornerD, hornerN, hornerM, hornerC) //.
by rewrite mulr1 addr0.
Qed.

Lemma step_at al y be de x :
  (step al y be de).[x] = \sum_(i < N) (f al y be i).[x]
    + be * \sum_(k < accounts) de ^+ (k * columns) *
      (\sum_(c < columns) (U y c).[x] * (D (k * columns + c)%N).[x] - (V y).[x] * (W k).[x] - c_of y k / n%:R).
Proof.
rewrite /step -lock hornerD hornerZ !horner_sum; congr (_ + be * _); apply: eq_bigr => k _.
rewrite hornerZ !hornerD !hornerN hornerM hornerC horner_sum.
by rewrite (eq_bigr (fun c : 'I_columns => (U y c).[x] * (D (k * columns + c)%N).[x])) // => c _; rewrite hornerM.
Qed.

Lemma running_at al y be de x :
  (running al y be de).[x] = (S al y be de).[omega * x] - (S al y be de).[x] - (step al y be de).[x].
Proof. by rewrite /running -lock !hornerD !hornerN horner_comp hornerZ hornerX. Qed.

Lemma lookups_at al y be de x :
  (lookups al y be de).[x] = \sum_(i < N) de ^+ i * (lookup al y be i).[x].
Proof. by rewrite /lookups -lock horner_sum; apply: eq_bigr => i _; rewrite hornerZ. Qed.

Lemma Q_at al y be de ga x :
  (Q al y be de ga).[x] = (lookups al y be de).[x] + ga * (running al y be de).[x]
    - ((t1 al y be de ga).[x] + x ^+ (n + 2) * (t2 al y be de ga).[x]) * Z_H.[x].
Proof.
by rewrite /Q; move: (domain.Z_H F n) => z; rewrite !(hornerD, hornerN, hornerZ, hornerM, hornerXn).
Qed.

(* With true values Lz is Q at zeta. *)
Lemma Lz_is_Q al y be de ga ze (claimed : nat -> F) s_bar :
  (forall i, (i < N)%N -> claimed i = (D i).[ze]) -> s_bar = (S al y be de).[omega * ze] ->
  (Lz al y be de ga ze claimed s_bar).[ze] = (Q al y be de ga).[ze].
Proof.
move=> true ->.
have account k c : (k < accounts)%N -> (c < columns)%N -> claimed (k * columns + c)%N = (D (k * columns + c)%N).[ze].
  by move=> ka cc; apply: true; nia.
rewrite Q_at running_at step_at lookups_at /Lz; move: (domain.Z_H F n) => z.
rewrite !hornerD !hornerN !hornerZ hornerC !hornerD hornerZ !horner_sum.
have -> : \sum_(i < N) de ^+ i * (lookup al y be i).[ze]
  = \sum_(i < N) de ^+ i * ((f al y be i).[ze] * (al + (D i).[ze]) * e_of al ze i)
    - \sum_(i < N) de ^+ i * e_of al ze i + m.[ze] * (al + (D 0).[ze]).
  rewrite -sumrB (bigD1 (Ordinal some_digits)) //= [in RHS](bigD1 (Ordinal some_digits)) //= lookup_at /= expr0 !mul1r.
  rewrite addrAC; congr (_ + _ + _); apply: eq_bigr => i nz; rewrite lookup_at.
  rewrite (_ : (i == 0%N :> nat) = false) ?addr0 ?mulrBr //.
  by apply/negbTE; apply: contra nz => /eqP h; apply/eqP/val_inj.
have -> : \sum_(i < N) ((de ^+ i * (al + claimed i) * e_of al ze i - ga) *: f al y be i).[ze]
  = \sum_(i < N) de ^+ i * ((f al y be i).[ze] * (al + (D i).[ze]) * e_of al ze i) - ga * (\sum_(i < N) (f al y be i).[ze]).
  by rewrite mulr_sumr -sumrB; apply: eq_bigr => i _; rewrite hornerZ true //; ring.
have -> : \sum_(k < accounts) ((de ^+ (k * columns) * ga * be * (V y).[ze]) *: W k).[ze]
  = ga * be * \sum_(k < accounts) de ^+ (k * columns) * ((V y).[ze] * (W k).[ze]).
  by rewrite mulr_sumr; apply: eq_bigr => k _; rewrite hornerZ; ring.
have -> : \sum_(k < accounts) de ^+ (k * columns) * ga * be
      * (c_of y k / n%:R - \sum_(c < columns) (U y c).[ze] * claimed (k * columns + c)%N)
  = ga * be * (\sum_(k < accounts) de ^+ (k * columns) * (c_of y k / n%:R))
    - ga * be * (\sum_(k < accounts) de ^+ (k * columns) * (\sum_(c < columns) (U y c).[ze] * (D (k * columns + c)%N).[ze])).
  rewrite !mulr_sumr -sumrB; apply: eq_bigr => k _.
  rewrite (eq_bigr (fun c : 'I_columns => (U y c).[ze] * (D (k * columns + c)%N).[ze])); last first.
    by move=> c _; rewrite account.
  move: (\sum_(c < columns) _) (c_of y k / n%:R) (de ^+ _) => u1 u2 u3; ring.
have -> : \sum_(k < accounts) de ^+ (k * columns) *
      (\sum_(c < columns) (U y c).[ze] * (D (k * columns + c)%N).[ze] - (V y).[ze] * (W k).[ze] - c_of y k / n%:R)
  = (\sum_(k < accounts) de ^+ (k * columns) * (\sum_(c < columns) (U y c).[ze] * (D (k * columns + c)%N).[ze]))
    - (\sum_(k < accounts) de ^+ (k * columns) * ((V y).[ze] * (W k).[ze]))
    - (\sum_(k < accounts) de ^+ (k * columns) * (c_of y k / n%:R)).
  by rewrite -!sumrB; apply: eq_bigr => k _; rewrite !mulrBr.
rewrite true ?some_digits //.
move: (\sum_(k < accounts) _) (\sum_(k < accounts) _) (\sum_(k < accounts) _) => s1 s2 s3.
move: (\sum_(i < N) _) (\sum_(i < N) _) (\sum_(i < N) _) => s4 s5 s6.
move: (m.[ze]) ((D 0).[ze]) ((S al y be de).[ze]) ((S al y be de).[omega * ze]) (z.[ze]) => x1 x2 x3 x4 x5.
move: ((t1 al y be de ga).[ze]) ((t2 al y be de ga).[ze]) (ze ^+ _) => x6 x7 x8.
ring.
Qed.

(* The sums over H. *)
Definition byte_free (al : F) := [forall b : 'I_256, al + b%:R != 0].
Definition poles_avoided (al : F) :=
  [forall z : 'I_N * 'I_n, al + (D z.1).[omega ^+ z.2] != 0] && byte_free al.
Definition m_of (b : 'I_256) : F := \sum_(j < n | (j %% 256)%N == b) m.[omega ^+ j].
Definition F_of (al : F) : F :=
  \sum_(z : 'I_N * 'I_n) (al + (D z.1).[omega ^+ z.2])^-1 - \sum_(b < 256) m_of b / (al + b%:R).

Lemma step_sum al y be de :
  \sum_(j < n) (step al y be de).[omega ^+ j]
  = \sum_(i < N) \sum_(j < n) (f al y be i).[omega ^+ j] + be * \sum_(k < accounts) de ^+ (k * columns) * E_of y k.
Proof.
rewrite (eq_bigr (fun j : 'I_n => \sum_(i < N) (f al y be i).[omega ^+ j]
   + be * \sum_(k < accounts) de ^+ (k * columns) * (\sum_(c < columns) (U y c).[omega ^+ j]
       * (D (k * columns + c)%N).[omega ^+ j] - (V y).[omega ^+ j] * (W k).[omega ^+ j] - c_of y k / n%:R))); last first.
  by move=> j _; rewrite step_at.
rewrite big_split /= -mulr_sumr; congr (_ + be * _); first by rewrite exchange_big.
rewrite exchange_big; apply: eq_bigr => k _; rewrite -mulr_sumr; congr (_ * _); rewrite !sumrB; congr (_ - _ - _).
- rewrite exchange_big; apply: eq_bigr => c _; apply: eq_bigr => j _.
  by rewrite /U -lock (interpolant_at omega_root).
- by apply: eq_bigr => j _; rewrite /V -lock (interpolant_at omega_root).
by rewrite sumr_const card_ord -mulr_natr mulfVK // (n_neq0 omega_root).
Qed.

Lemma table_sum al : \sum_(b < 256) m_of b / (al + b%:R) = \sum_(j < n) m.[omega ^+ j] / (al + (j %% 256)%:R).
Proof.
have small_byte j : (j %% 256 < 256)%N by rewrite ltn_mod.
rewrite [RHS](partition_big (fun j : 'I_n => Ordinal (small_byte j)) predT) //=; apply: eq_bigr => bt _.
rewrite /m_of mulr_suml; apply: eq_big => [j | j /eqP->] //.
Qed.

Lemma lookups_say_F al y be :
  byte_free al -> (forall i j, (i < N)%N -> (j < n)%N -> (lookup al y be i).[omega ^+ j] = 0) ->
  poles_avoided al /\ \sum_(i < N) \sum_(j < n) (f al y be i).[omega ^+ j] = F_of al.
Proof.
move=> free zero; have table j : al + (j %% 256)%:R != 0.
  by have /forallP/(_ (Ordinal (ltn_pmod j (isT : (0 < 256)%N)))) := free.
have value i j : (i < N)%N -> (j < n)%N -> al + (D i).[omega ^+ j] != 0 /\ (f al y be i).[omega ^+ j]
    = (al + (D i).[omega ^+ j])^-1 - (if i == 0%N then m.[omega ^+ j] / (al + (j %% 256)%:R) else 0).
  move=> iN jn; have := zero i j iN jn; rewrite lookup_at /e_of; case: eqP => [-> | _].
    rewrite T_on_H // => eq; have nz : al + (D 0).[omega ^+ j] != 0.
      apply/eqP=> pole; move: eq; rewrite pole !mulr0 mul0r addr0 sub0r => /eqP.
      by rewrite oppr_eq0 (negbTE (table j)).
    split=> //; apply: (mulIf nz); apply: (mulIf (table j)).
    move: (f al y be 0).[_] m.[_] (table j) nz eq; move: (al + _) (al + _) => x1 x2 x3 x4 n1 n2 eq.
    rewrite [RHS](_ : _ = x2 - x4 * x1); last by rewrite !mulrBl mulVf // mul1r [_ / _ * _]mulrAC mulfVK.
    by apply/eqP; rewrite -subr_eq0 -[X in _ == X]eq; apply/eqP; ring.
  rewrite mulr1 addr0 => /eqP; rewrite subr_eq0 => /eqP eq.
  have nz : al + (D i).[omega ^+ j] != 0.
    by apply/eqP=> pole; move/eqP: eq; rewrite pole mulr0 eq_sym oner_eq0.
  by split=> //; apply: (mulIf nz); rewrite eq subr0 mulVf.
split.
  rewrite /poles_avoided free andbT; apply/forallP=> -[i j] /=.
  by have [] := value i j (ltn_ord i) (ltn_ord j).
rewrite /F_of table_sum -(pair_big predT predT (fun (i : 'I_N) (j : 'I_n) => (al + (D i).[omega ^+ j])^-1)) /=.
rewrite (eq_bigr (fun i : 'I_N => \sum_(j < n) (al + (D i).[omega ^+ j])^-1
   - \sum_(j < n) (if i == 0%N :> nat then m.[omega ^+ j] / (al + (j %% 256)%:R) else 0))); last first.
  by move=> i _; rewrite -sumrB; apply: eq_bigr => j _; have [] := value i j (ltn_ord i) (ltn_ord j).
rewrite sumrB; congr (_ - _); rewrite (bigD1 (Ordinal some_digits)) //= [X in _ + X]big1 ?addr0 // => i nz.
rewrite big1 // => j _; case: eqP => // h; case/eqP: nz; exact/val_inj.
Qed.

End Linear.
