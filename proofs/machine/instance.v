(* The hypotheses of the theorems do not contradict each other: a small field has all that they ask for. *)
From Coq Require Import ZArith Lia.
From mathcomp Require Import all_ssreflect all_algebra zify.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import GRing.Theory.
Local Open Scope ring_scope.

Lemma prime_769 : prime 769. Proof. by []. Qed.

Lemma square (a q b : nat) : (a * a = q * 769 + b)%N -> (a%:R : 'F_769) ^+ 2 = b%:R.
Proof.
move=> e; rewrite expr2 -natrM e natrD natrM.
by have /charf0 -> := char_Fp prime_769; rewrite mulr0 add0r.
Qed.

Lemma squared_seven_times (K : ringType) (a b c d e f g h : K) :
  a ^+ 2 = b -> b ^+ 2 = c -> c ^+ 2 = d -> d ^+ 2 = e -> e ^+ 2 = f -> f ^+ 2 = g -> g ^+ 2 = h -> a ^+ 128 = h.
Proof. by move=> <- <- <- <- <- <- <-; rewrite -!exprM. Qed.

Lemma no_more_than_one (K : ringType) (a : K) : a + 1%:R = 1 -> a = 0.
Proof. by move=> h; apply: (addIr 1); rewrite add0r. Qed.

(* 562 has order 256 modulo 769: squared seven times it is -1. *)
Lemma power_128 : (562%:R : 'F_769) ^+ 128 = 768%:R.
Proof.
have s1 : (562%:R : 'F_769) ^+ 2 = 554%:R by apply: (@square _ 410); lia.
have s2 : (554%:R : 'F_769) ^+ 2 = 85%:R by apply: (@square _ 399); lia.
have s3 : (85%:R : 'F_769) ^+ 2 = 304%:R by apply: (@square _ 9); lia.
have s4 : (304%:R : 'F_769) ^+ 2 = 136%:R by apply: (@square _ 120); lia.
have s5 : (136%:R : 'F_769) ^+ 2 = 40%:R by apply: (@square _ 24); lia.
have s6 : (40%:R : 'F_769) ^+ 2 = 62%:R by apply: (@square _ 2); lia.
have s7 : (62%:R : 'F_769) ^+ 2 = 768%:R by apply: (@square _ 4); lia.
exact: (squared_seven_times s1 s2 s3 s4 s5 s6 s7).
Qed.

Lemma root_of_256 : 256.-primitive_root (562%:R : 'F_769).
Proof.
have one : (562%:R : 'F_769) ^+ 256 = 1.
  have last : (768%:R : 'F_769) ^+ 2 = 1%:R by apply: (@square _ 767); lia.
  exact: (etrans (exprM _ 128 2) (etrans (congr1 (fun x => x ^+ 2) power_128) last)).
have [m m_root m_256] := prim_order_exists (isT : (0 < 256)%N) one.
have [k k8 e] : exists2 k, (k <= 8)%N & m = (2 ^ k)%N by apply/(dvdn_pfactor m 8%N (isT : prime 2)).
suff k_is_8 : k = 8%N by move: m_root; rewrite e k_is_8.
apply/eqP; rewrite eqn_leq k8 leqNgt; apply/negP=> k_small.
have m_128 : (m %| 128)%N by rewrite e -[128%N]/(2 ^ 7)%N dvdn_exp2l // -ltnS.
have := prim_order_dvd m_root 128; rewrite m_128 power_128 => /esym/eqP minus_one.
have two : (767%:R + 1%:R : 'F_769) = 1 := etrans (esym (natrD _ 767 1)) minus_one.
have zero := no_more_than_one two.
have no : ~~ (769 %| 767)%N by [].
exact: (negP no (etrans (dvdn_charf (char_Fp prime_769) 767) (introT eqP zero))).
Qed.

(* A field, a domain and bounds that satisfy the hypotheses of solvency.v for one account with a slot and a row. *)
Theorem hypotheses_have_an_instance :
  exists p n A_max b_max digits_max M : nat, exists omega : 'F_p,
    [/\ [/\ prime p, n.-primitive_root omega, (256 %| n)%N & (maxn (1 * 1 * n) 255 < p)%N],
      (1 * A_max * digits_max + b_max <= M)%N, (digits_max <= M)%N & (1 * A_max * M + b_max + digits_max < p)%N].
Proof. by exists 769%N, 256%N, 1%N, 1%N, 256%N, 257%N, 562%:R; split=> //; split=> //; apply: root_of_256. Qed.
