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

(* Completeness: with bytes as digits, rows that hold, counts in m and true lookups, the steps of S add up to zero, so S
   exists (domain.running_sum_exists_iff_sum_is_zero). *)
Lemma bytes_differ : injective (fun bt : 'I_256 => bt%:R : F).
Proof.
have apart (i j : 'I_256) : (i < j)%N -> i%:R <> j%:R :> F.
  move=> ij e; have := @characteristic (j - i)%N; rewrite natrB ?(ltnW ij) // e subrr eqxx.
  have j256 := ltn_ord j; have small : (0 < j - i <= maxn (N * n) 255)%N by rewrite leq_max; lia.
  by move/(_ small).
move=> i j e; apply/val_inj; have [/apart/(_ e) [] | /apart/(_ (esym e)) [] | //] := ltngtP i j.
Qed.

Theorem honest_sums_close al y be de :
  byte_free al -> (forall i j, (i < N)%N -> (j < n)%N -> (lookup al y be i).[omega ^+ j] = 0) ->
  all_bytes -> all_rows ->
  (forall bt : 'I_256, m_of bt = #|[set z : 'I_N * 'I_n | (D z.1).[omega ^+ z.2] == bt%:R]|%:R) ->
  \sum_(j < n) (step al y be de).[omega ^+ j] = 0.
Proof.
move=> free lookups_hold bytes rows_hold counts; rewrite step_sum.
have [_ ->] := lookups_say_F free lookups_hold.
have -> : F_of al = 0.
  apply/eqP; rewrite /F_of subr_eq0; apply/eqP; apply: (honest_multiplicities_balance bytes_differ) => // -[i j] /=.
  have /forallP/(_ i)/forallP/(_ j)/existsP[bt /eqP e] := bytes.
  by apply/existsP; exists bt; rewrite e.
rewrite big1 ?mulr0 ?addr0 // => k _; rewrite /E_of.
have -> : u_D n columns slots rows width column start (account_digits k) y
    = v_W n slots rows width A (account_values k) y + c_of y k.
  apply: (honest_rows_satisfy_the_identity slots_fit columns_fit digits_fit) => r rR.
  by have /forallP/(_ k)/forallP/(_ (Ordinal rR))/eqP := rows_hold.
by rewrite addrAC addrK subrr mulr0.
Qed.

(* With an exact quotient and true values, both openings exist and the equation holds for every mu. *)
Theorem honest_equation al y be de ga ze (claimed : nat -> F) s_bar r :
  Q al y be de ga = 0 -> (forall i, (i < N)%N -> claimed i = (D i).[ze]) -> s_bar = (S al y be de).[omega * ze] ->
  exists q_1, exists q_2, forall mu, opening_equation (opened al y be de ga ze claimed s_bar r)
    (S al y be de - s_bar%:P) q_1 q_2 ze (omega * ze) mu = 0.
Proof.
move=> zero true true_S; apply: true_values_have_openings.
  rewrite /opened hornerD (Lz_is_Q ga true true_S) zero horner0 add0r horner_sum big1 // => i _.
  by rewrite hornerZ hornerD hornerN hornerC true // subrr mulr0.
by rewrite hornerD hornerN hornerC -true_S subrr.
Qed.

(* Each state: false where the prover has escaped. The verifier refuses alpha where byte_free is false. *)
Definition doomed_1 al := ~~ (poles_avoided al && (F_of al == 0)) || ~~ all_rows.
Definition doomed_2 al y :=
  ~~ (poles_avoided al && (F_of al == 0)) || [exists k : 'I_accounts, E_of y k != 0].
Definition doomed_3 al y be := ~~ [&& poles_avoided al, F_of al + be * E_of y 0 == 0
  & [forall k : 'I_accounts, (0 < k)%N ==> (be * E_of y k == 0)]].
Definition doomed_4 al y be de := ~~ [&& byte_free al, [forall j : 'I_n, (lookups al y be de).[omega ^+ j] == 0]
  & \sum_(j < n) (step al y be de).[omega ^+ j] == 0].
Definition doomed_5 al y be de ga := ~~ (byte_free al
  && [forall j : 'I_n, (lookups al y be de).[omega ^+ j] + ga * (running al y be de).[omega ^+ j] == 0]).
Definition doomed_6 al y be de ga ze := ~~ (byte_free al && ((Q al y be de ga).[ze] == 0)).
Definition opened_at_zeta al y be de ga ze r : {poly F} :=
  opened al y be de ga ze (D_bar al y be de ga ze) (S_bar al y be de ga ze) r.
Definition doomed_7 al y be de ga ze r := ~~ [&& byte_free al, (opened_at_zeta al y be de ga ze r).[ze] == 0
  & (S al y be de).[omega * ze] == S_bar al y be de ga ze].
Definition accepted al y be de ga ze r mu := byte_free al
  && (opening_equation (opened_at_zeta al y be de ga ze r) (S al y be de - (S_bar al y be de ga ze)%:P)
        (pi_1 al y be de ga ze r) (pi_2 al y be de ga ze r) ze (omega * ze) mu == 0).

Lemma stays_1 :
  ~~ (all_bytes && all_rows) -> (#|[set al : F | ~~ doomed_1 al]| <= N * n + 255)%N.
Proof.
rewrite negb_and /doomed_1; have [bytes | /forallPn[i /forallPn[j off]]] := boolP all_bytes => /= [bad | _].
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> al; rewrite !inE bad orbT.
pose I := [finType of 'I_N * 'I_n].
have few k : (0 < k <= #|I|)%N -> k%:R != 0 :> F.
  by rewrite card_prod !card_ord => /andP[k0 kN]; rewrite characteristic // k0 leq_max kN.
have out : exists z : I, ~~ in_table (fun bt : 'I_256 => bt%:R) (D z.1).[omega ^+ z.2].
  exists (i, j); apply: contra off => /existsP[bt /eqP e]; apply/existsP; exists bt; by rewrite e.
have := bad_alpha m_of few out; rewrite card_prod !card_ord => bound.
apply: leq_trans (leq_trans bound _); last by rewrite addnS.
apply/subset_leq_card/subsetP=> al; rewrite !inE negb_or !negbK => /andP[/andP[/andP[poles free]]].
by rewrite /F_of subr_eq0 => zero _; apply/and3P; split.
Qed.

Lemma stays_2 al : doomed_1 al -> (#|[set y : F | ~~ doomed_2 al y]| <= R.-1)%N.
Proof.
rewrite /doomed_1 /doomed_2; case: (~~ _) => /= [_ | ].
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> y; rewrite !inE.
case/forallPn=> k /forallPn[r off].
have off' : exists2 r : nat, (r < R)%N & digits width column start (account_digits k) r
    != value slots width offset A b counts_sigma (sigma k) (account_values k) r by exists r.
apply: leq_trans (bad_y slots_fit columns_fit digits_fit off'); apply/subset_leq_card/subsetP=> y.
rewrite !inE negb_exists => /forallP/(_ k); rewrite negbK /E_of -addrA -opprD subr_eq0 //.
Qed.

Lemma stays_3 al y : doomed_2 al y -> (#|[set be : F | ~~ doomed_3 al y be]| <= 1)%N.
Proof.
rewrite /doomed_2 /doomed_3; have [poles /= | _ _] := boolP (poles_avoided al); last first.
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> be; rewrite !inE.
have [some _ | ] := boolP ((F_of al != 0) || (E_of y 0 != 0)).
  apply: leq_trans (bad_challenges_of_two some); apply/subset_leq_card/subsetP=> be.
  by rewrite !inE negbK => /andP[].
rewrite negb_or !negbK => /andP[/eqP F0 /eqP E0]; rewrite F0 eqxx /= => /existsP[k Ek].
have k0 : (0 < k)%N by rewrite lt0n; apply: contraNneq Ek => ->; rewrite E0.
have some : (0 != 0 :> F) || (E_of y k != 0) by rewrite Ek orbT.
apply: leq_trans (bad_challenges_of_two some); apply/subset_leq_card/subsetP=> be.
by rewrite !inE negbK !add0r => /andP[_ /forallP/(_ k)]; rewrite k0.
Qed.

Lemma stays_4 al y be : doomed_3 al y be -> (#|[set de : F | ~~ doomed_4 al y be de]| <= N.-1)%N.
Proof.
move=> doom; rewrite /doomed_4; have [free | _] := boolP (byte_free al); last first.
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> de; rewrite !inE.
have [zero | ] := boolP [forall j : 'I_n, forall i : 'I_N, (lookup al y be i).[omega ^+ j] == 0]; last first.
  case/forallPn=> j /forallPn[i off].
  have off' : exists2 i : nat, (i < N)%N & (lookup al y be i).[omega ^+ j] != 0 by exists i.
  apply: leq_trans (bad_challenges_of_powers off'); apply/subset_leq_card/subsetP=> de.
  by rewrite !inE negbK => /and3P[_ /forallP/(_ j)]; rewrite lookups_at.
have [|poles sum] := @lookups_say_F al y be free.
  by move=> i j iN jn; have /forallP/(_ (Ordinal jn))/forallP/(_ (Ordinal iN))/eqP := zero.
pose p : {poly F} := (F_of al)%:P + be *: \sum_(k < accounts) E_of y k *: 'X^(k * columns).
have at_de de : p.[de] = \sum_(j < n) (step al y be de).[omega ^+ j].
  rewrite step_sum sum /p hornerD hornerC hornerZ horner_sum; congr (_ + be * _).
  by apply: eq_bigr => k _; rewrite hornerZ hornerXn mulrC.
have coefficient (k : 'I_accounts) : p`_(k * columns) = (if k == 0%N :> nat then F_of al else 0) + be * E_of y k.
  rewrite coefD coefC coefZ muln_eq0 (gtn_eqF some_column) orbF; congr (_ + be * _).
  rewrite coef_sum (bigD1 k) //= coefZ coefXn eqxx mulr1 big1 ?addr0 // => k' kk.
  rewrite coefZ coefXn eqn_pmul2r // (_ : (_ == _ :> nat) = false) ?mulr0 //.
  by apply/negbTE; apply: contra kk => /eqP h; apply/eqP/val_inj.
have p_small : (size p <= N.-1.+1)%N.
  rewrite prednK ?some_digits //; apply: leq_trans (size_add _ _) _.
  rewrite geq_max (leq_trans (size_polyC_leq1 _)) ?some_digits //=; apply: leq_trans (size_scale_leq _ _) _.
  apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP=> k _; apply: leq_trans (size_scale_leq _ _) _.
  by rewrite size_polyXn ltn_mul2r some_column ltn_ord.
have p_nz : p != 0.
  apply: contraL doom => /eqP zero_p; rewrite negbK poles /=; apply/andP; split.
    by have := coefficient (Ordinal some_account); rewrite zero_p coef0 /= => <-.
  apply/forallP=> k; apply/implyP=> k0; have := coefficient k.
  by rewrite zero_p coef0 (gtn_eqF k0) add0r => <-.
apply: leq_trans (bad_points_below p_nz p_small); apply/subset_leq_card/subsetP=> de.
by rewrite !inE negbK /root at_de => /and3P[].
Qed.

Lemma stays_5 al y be de : doomed_4 al y be de -> (#|[set ga : F | ~~ doomed_5 al y be de ga]| <= 1)%N.
Proof.
rewrite /doomed_4 /doomed_5; have [free /= doom | _ _] := boolP (byte_free al); last first.
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> ga; rewrite !inE.
have [zero | /forallPn[j off]] := boolP [forall j : 'I_n, ((lookups al y be de).[omega ^+ j] == 0)
    && ((running al y be de).[omega ^+ j] == 0)]; last first.
  rewrite negb_and in off; apply: leq_trans (bad_challenges_of_two off); apply/subset_leq_card/subsetP=> ga.
  by rewrite !inE negbK => /forallP/(_ j).
case/negP: doom; apply/andP; split.
  by apply/forallP=> j; have /andP[] := forallP zero j.
apply/eqP; apply: (running_sum_closes omega_root (S := S al y be de)) => i ni.
have /andP[_ /eqP] := forallP zero (Ordinal ni); rewrite running_at /= => /eqP.
by rewrite subr_eq0 => /eqP.
Qed.

Lemma size_lookup al y be i : (i < N)%N -> (size (lookup al y be i) <= d_Q.+1)%N.
Proof.
have sD k : (size (al%:P + D k)%R <= d.+1)%N.
  by apply: leq_trans (size_add _ _) _; rewrite geq_max (leq_trans (size_polyC_leq1 _)) //; exact: D_small.
have sT : (size (al%:P + T)%R <= d_T.+1)%N.
  by apply: leq_trans (size_add _ _) _; rewrite geq_max (leq_trans (size_polyC_leq1 _)) //; exact: T_size.
have product (P R : {poly F}) k l : (size P <= k.+1)%N -> (size R <= l.+1)%N -> (size (P * R)%R <= (k + l).+1)%N.
  by move=> sP sR; apply: leq_trans (size_mul_leq _ _) _; lia.
move=> _; rewrite /lookup; case: ifP => _.
  apply: leq_trans (size_add _ _) _; rewrite geq_max; apply/andP; split; last first.
    by apply: leq_trans (product _ _ _ _ m_small (sD 0%N)) _; lia.
  apply: leq_trans (size_add _ _) _; rewrite geq_max size_opp (leq_trans sT) ?andbT; last lia.
  by apply: leq_trans (product _ _ _ _ (product _ _ _ _ (f_small al y be 0%N) (sD 0%N)) sT) _; lia.
apply: leq_trans (size_add _ _) _; rewrite geq_max size_opp size_poly1 ltn0Sn andbT.
by apply: leq_trans (product _ _ _ _ (f_small al y be i) (sD i)) _; lia.
Qed.

Lemma size_step al y be de : (size (step al y be de) <= d_Q.+1)%N.
Proof.
have n0 := n_positive omega_root.
have weighted (P R : {poly F}) : (size P <= n)%N -> small R -> (size (P * R)%R <= d_Q.+1)%N.
  by rewrite /small => sP sR; apply: leq_trans (size_mul_leq _ _) _; lia.
rewrite /step -lock; apply: leq_trans (size_add _ _) _; rewrite geq_max; apply/andP; split.
  apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP=> i _; apply: leq_trans (f_small _ _ _ _) _; lia.
apply: leq_trans (size_scale_leq _ _) _; apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP=> k _.
apply: leq_trans (size_scale_leq _ _) _; apply: leq_trans (size_add _ _) _.
rewrite geq_max size_opp (leq_trans (size_polyC_leq1 _)) ?andbT //.
apply: leq_trans (size_add _ _) _; rewrite geq_max size_opp; apply/andP; split.
  apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP=> c _; apply: weighted => //.
  by rewrite /U -lock; apply: size_interpolant.
by apply: weighted => //; rewrite /V -lock; apply: size_interpolant.
Qed.

Lemma size_Q al y be de ga : (size (Q al y be de ga) <= d_Q.+1)%N.
Proof.
rewrite /Q; apply: leq_trans (size_add _ _) _; rewrite geq_max size_opp; apply/andP; split; last first.
  apply: leq_trans (size_split_quotient omega_root (t1_small al y be de ga) (t2_small al y be de ga)) _.
  by rewrite ltnS.
apply: leq_trans (size_add _ _) _; rewrite geq_max; apply/andP; split.
  rewrite /lookups -lock; apply: leq_trans (size_sum _ _ _) _; apply/bigmax_leqP=> i _.
  by apply: leq_trans (size_scale_leq _ _) (size_lookup _ _ _ (ltn_ord i)).
apply: leq_trans (size_scale_leq _ _) _; rewrite /running -lock.
apply: leq_trans (size_add _ _) _; rewrite geq_max size_opp size_step andbT.
have sS := S_small al y be de; have dQ : (d <= d_Q)%N by lia.
apply: leq_trans (size_add _ _) _; rewrite geq_max size_opp; apply/andP; split; last by apply: leq_trans sS _.
apply: leq_trans (size_comp_poly_leq _ _) _.
have : (size (omega *: 'X : {poly F}) <= 2)%N by apply: leq_trans (size_scale_leq _ _) _; rewrite size_polyX.
move: sS; rewrite /small; case: (size (omega *: 'X)) => [|[|[|]]] //=; rewrite ?muln0 // muln1; lia.
Qed.

Lemma stays_6 al y be de ga :
  doomed_5 al y be de ga -> (#|[set ze : F | ~~ doomed_6 al y be de ga ze]| <= d_Q)%N.
Proof.
rewrite /doomed_5 /doomed_6; have [free /= doom | _ _] := boolP (byte_free al); last first.
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> ze; rewrite !inE.
have nz : Q al y be de ga != 0.
  apply: contra doom => /eqP zero; apply/forallP=> j.
  have := Q_at al y be de ga (omega ^+ j); rewrite zero horner0.
  have /eqP-> : root Z_H (omega ^+ j) by rewrite (Z_H_roots omega_root) map_f // mem_iota add0n /=.
  by rewrite mulr0 subr0 => <-.
apply: leq_trans (bad_points_below nz (size_Q al y be de ga)); apply/subset_leq_card/subsetP=> ze.
by rewrite !inE negbK /root.
Qed.

Lemma stays_7 al y be de ga ze :
  doomed_6 al y be de ga ze -> (#|[set r : F | ~~ doomed_7 al y be de ga ze r]| <= N)%N.
Proof.
rewrite /doomed_6 /doomed_7; have [free /= doom | _ _] := boolP (byte_free al); last first.
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> r; rewrite !inE.
have [/eqP true_S | false_S] := boolP ((S al y be de).[omega * ze] == S_bar al y be de ga ze); last first.
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> r; rewrite !inE andbF.
pose off i := (D i).[ze] - D_bar al y be de ga ze i.
pose first := (Lz al y be de ga ze (D_bar al y be de ga ze) (S_bar al y be de ga ze)).[ze].
have some : (first != 0) || [exists i : 'I_N, off i != 0].
  rewrite orbC; case: (boolP [exists i : 'I_N, _]) => //= /existsPn same.
  rewrite /first Lz_is_Q // => i iN.
  by have := same (Ordinal iN); rewrite negbK subr_eq0 => /eqP.
apply: leq_trans (bad_r some); apply/subset_leq_card/subsetP=> r.
rewrite !inE negbK andbT /opened_at_zeta /opened hornerD horner_sum => /eqP zero; apply/eqP.
rewrite -[RHS]zero; congr (_ + _); apply: eq_bigr => i _.
by rewrite hornerZ hornerD hornerN hornerC.
Qed.

Lemma stays_8 al y be de ga ze r :
  doomed_7 al y be de ga ze r -> (#|[set mu : F | ~~ ~~ accepted al y be de ga ze r mu]| <= 1)%N.
Proof.
rewrite (eq_card (B := mem [set mu : F | accepted al y be de ga ze r mu])); last by move=> mu; rewrite !inE negbK.
rewrite /doomed_7 /accepted; have [free /= doom | _ _] := boolP (byte_free al); last first.
  by rewrite (_ : [set _ | _] = set0) ?cards0 //; apply/setP=> mu; rewrite !inE.
apply: bad_mu; move: doom; rewrite negb_and hornerD hornerN hornerC subr_eq0 //.
Qed.

(* The state after k rounds, and the share of challenges that end it in round k. *)
Definition state_1 (c : challenges F 1) := doomed_1 (last c).
Definition state_2 (c : challenges F 2) := doomed_2 (last (past c)) (last c).
Definition state_3 (c : challenges F 3) := doomed_3 (last (past (past c))) (last (past c)) (last c).
Definition state_4 (c : challenges F 4) :=
  doomed_4 (last (past (past (past c)))) (last (past (past c))) (last (past c)) (last c).
Definition state_5 (c : challenges F 5) :=
  let d := past c in doomed_5 (last (past (past (past d)))) (last (past (past d))) (last (past d)) (last d) (last c).
Definition state_6 (c : challenges F 6) :=
  let d := past (past c) in doomed_6 (last (past (past (past d)))) (last (past (past d))) (last (past d)) (last d)
    (last (past c)) (last c).
Definition state_7 (c : challenges F 7) :=
  let d := past (past (past c)) in doomed_7 (last (past (past (past d)))) (last (past (past d))) (last (past d)) (last d)
    (last (past (past c))) (last (past c)) (last c).
Definition accepted_run (c : challenges F 8) :=
  let d := past (past (past (past c))) in
  accepted (last (past (past (past d)))) (last (past (past d))) (last (past d)) (last d)
    (last (past (past (past c)))) (last (past (past c))) (last (past c)) (last c).
Definition doomed (k : nat) : challenges F k -> bool :=
  match k return challenges F k -> bool with
  | 1 => state_1 | 2 => state_2 | 3 => state_3 | 4 => state_4 | 5 => state_5 | 6 => state_6 | 7 => state_7
  | 8 => fun c => ~~ accepted_run c
  | _ => fun _ => true
  end.
Definition error k := nth 0%N [:: N * n + 255; R.-1; 1; N.-1; 1; d_Q; N; 1]%N k.

Lemma stays_in_round_1 (c : challenges F 0) :
  ~~ (all_bytes && all_rows) -> doomed c -> (#|[set x : F | ~~ doomed (k := 1) (c, x)]| <= error 0)%N.
Proof. by move=> false _; exact: (stays_1 false). Qed.
Lemma stays_in_round_2 (c : challenges F 1) :
  doomed c -> (#|[set x : F | ~~ doomed (k := 2) (c, x)]| <= error 1)%N.
Proof. exact: (@stays_2 (last c)). Qed.
Lemma stays_in_round_3 (c : challenges F 2) :
  doomed c -> (#|[set x : F | ~~ doomed (k := 3) (c, x)]| <= error 2)%N.
Proof. exact: (@stays_3 (last (past c)) (last c)). Qed.
Lemma stays_in_round_4 (c : challenges F 3) :
  doomed c -> (#|[set x : F | ~~ doomed (k := 4) (c, x)]| <= error 3)%N.
Proof. exact: (@stays_4 (last (past (past c))) (last (past c)) (last c)). Qed.
Lemma stays_in_round_5 (c : challenges F 4) :
  doomed c -> (#|[set x : F | ~~ doomed (k := 5) (c, x)]| <= error 4)%N.
Proof. exact: (@stays_5 (last (past (past (past c)))) (last (past (past c))) (last (past c)) (last c)). Qed.
Lemma stays_in_round_6 (c : challenges F 5) :
  doomed c -> (#|[set x : F | ~~ doomed (k := 6) (c, x)]| <= error 5)%N.
Proof.
exact: (@stays_6 (last (past (past (past (past c))))) (last (past (past (past c)))) (last (past (past c)))
  (last (past c)) (last c)).
Qed.
Lemma stays_in_round_7 (c : challenges F 6) :
  doomed c -> (#|[set x : F | ~~ doomed (k := 7) (c, x)]| <= error 6)%N.
Proof.
exact: (@stays_7 (last (past (past (past (past (past c)))))) (last (past (past (past (past c)))))
  (last (past (past (past c)))) (last (past (past c))) (last (past c)) (last c)).
Qed.
Lemma stays_in_round_8 (c : challenges F 7) :
  doomed c -> (#|[set x : F | ~~ doomed (k := 8) (c, x)]| <= error 7)%N.
Proof.
exact: (@stays_8 (last (past (past (past (past (past (past c))))))) (last (past (past (past (past (past c))))))
  (last (past (past (past (past c))))) (last (past (past (past c)))) (last (past (past c))) (last (past c)) (last c)).
Qed.

Lemma below_eight (P : nat -> Prop) :
  P 0%N -> P 1%N -> P 2%N -> P 3%N -> P 4%N -> P 5%N -> P 6%N -> P 7%N -> forall k, (k < 8)%N -> P k.
Proof. by do 8! [move=> ?]; do 8! [case=> //]. Qed.

Lemma stays k (c : challenges F k) :
  ~~ (all_bytes && all_rows) -> (k < 8)%N -> doomed c -> (#|[set x : F | ~~ doomed (k := k.+1) (c, x)]| <= error k)%N.
Proof.
move=> false less; move: k less c; apply: below_eight.
- by move=> c; apply: stays_in_round_1.
- exact: stays_in_round_2.
- exact: stays_in_round_3.
- exact: stays_in_round_4.
- exact: stays_in_round_5.
- exact: stays_in_round_6.
- exact: stays_in_round_7.
exact: stays_in_round_8.
Qed.

(* A prover of something false is accepted in at most the stated share of all runs: the error of the notes. *)
Theorem linear_proof_is_sound :
  ~~ (all_bytes && all_rows) ->
  (#|[set c | accepted_run c]| * #|F| <= (N * n + 255 + R.-1 + 1 + N.-1 + 1 + d_Q + N + 1) * #|F| ^ 8)%N.
Proof.
move=> false; have escape := runs_that_escape (doomed := doomed) (error := error) isT
  (fun k c => @stays k c false) (isT : (8 <= 8)%N).
have total : (\sum_(i < 8) error i)%N = (N * n + 255 + R.-1 + 1 + N.-1 + 1 + d_Q + N + 1)%N.
  by rewrite !big_ord_recr big_ord0 /error /= add0n.
rewrite total in escape; apply: leq_trans escape; rewrite leq_mul2r; apply/orP; right.
apply/subset_leq_card/subsetP=> c; rewrite !inE negbK //.
Qed.

End Linear.
