--------------------------- MODULE Dissemination ---------------------------
(* Whether what one honest validator has reaches all, as consensus/replica makes it: one value in one round, four
   validators of equal power, one of them a liar, honest links that are connected and no more.

   A validator sends its own messages to those it is linked with: the block to all, votes to collectors alone or to all.
   What is missing is pulled from a neighbour (certificates and votes) or fetched by its value (the block). The liar is
   linked with all, and gives each validator whatever it likes, whenever it likes, or nothing. A validator may give up
   waiting at any time and vote nil.

   Only messages are awaited here, no clock: a state in which nothing more can arrive or follow is where a real validator
   would wait for ever. The invariants say what must be so there. *)
EXTENDS Naturals, FiniteSets

CONSTANTS Links, Leader, Collectors, GivesUp, Planted
(* Links: pairs of honest validators. Collectors: to whom votes are sent. GivesUp: whether timeouts may run out. *)

VARIABLES has, gaveUp
variables == <<has, gaveUp>>

Honest == {1, 2, 3}
Liar == 4
Linked(a, b) == <<a, b>> \in Links \/ <<b, a>> \in Links

Prevotes == {<<"prevote", n>> : n \in Honest}
Precommits == {<<"precommit", n>> : n \in Honest}
Block == <<"block", 0>>
Polka == <<"polka", 0>>
Final == <<"final", 0>>
Decided(n) == {Final, Block} \subseteq has[n]

(* What a validator makes of what it has, at once: votes of its own, and certificates of a quorum's votes. *)
Voted(k, n, done) ==
    IF Block \in k /\ <<"prevote", n>> \notin done THEN k \cup {<<"prevote", n>>} ELSE k
Counted(k) == IF Cardinality(k \cap Prevotes) >= 3 THEN k \cup {Polka} ELSE k
Locked(k, n, done) ==
    IF {Block, Polka} \subseteq k /\ <<"precommit", n>> \notin done THEN k \cup {<<"precommit", n>>} ELSE k
Closed(k) == IF Cardinality(k \cap Precommits) >= 3 THEN k \cup {Final} ELSE k
Settled(k, n) == Closed(Locked(Counted(Voted(k, n, gaveUp[n])), n, gaveUp[n]))

Init == /\ has = [n \in Honest |-> IF n = Leader THEN {Block, <<"prevote", n>>} ELSE {}]
        /\ gaveUp = [n \in Honest |-> {}]
Take(n, items) == /\ ~(items \subseteq has[n])
                  /\ has' = [has EXCEPT ![n] = Settled(@ \cup items, n)]
                  /\ UNCHANGED gaveUp

Own(n) == has[n] \cap {<<"prevote", n>>, <<"precommit", n>>}

(* The leader's block, and own votes, on a direct link. *)
SendBlock(b) == Leader \in Honest /\ Linked(Leader, b) /\ Take(b, {Block})
SendVotes(a, b) == Linked(a, b) /\ (b \in Collectors) /\ Own(a) # {} /\ Take(b, Own(a))
(* A certificate is shown to all links. *)
Show(a, b) == /\ Linked(a, b)
              /\ LET shown == has[a] \cap {Polka, Final} IN shown # {} /\ Take(b, shown)
(* A list of what one has, answered with certificates and votes. *)
Pull(a, b) == /\ Linked(a, b) /\ Planted # "no_pull"
              /\ LET given == has[b] \ {Block} IN given # {} /\ Take(a, given)
(* A block that others have voted for is requested by its value. *)
Fetch(a, b) == /\ Linked(a, b) /\ Planted # "no_fetch" /\ Block \in has[b]
               /\ has[a] # {} /\ (Planted = "fetch_final_only" => Final \in has[a])
               /\ Take(a, {Block})
(* The liar has every vote, so it can show each certificate that exists with its own vote; that vote alone would do no
   more, as it makes a certificate where it meets two others. *)
Lie(n) ==
    LET signed == UNION {has[m] : m \in Honest}
    IN \/ Leader = Liar /\ Take(n, {Block})
       \/ Cardinality(signed \cap Prevotes) >= 2 /\ Take(n, {Polka})
       \/ Cardinality(signed \cap Precommits) >= 2 /\ Take(n, {Final})

GiveUp(n, kind) == /\ GivesUp /\ <<kind, n>> \notin has[n] \cup gaveUp[n]
                   /\ kind = "precommit" => <<"prevote", n>> \in has[n] \cup gaveUp[n]
                   /\ gaveUp' = [gaveUp EXCEPT ![n] = @ \cup {<<kind, n>>}]
                   /\ UNCHANGED has

(* A pull brings what the sender's own messages would have brought, and more, so these alone matter without it. *)
Send(a, b) == Planted = "no_pull" /\ (SendVotes(a, b) \/ Show(a, b))
Deliver == \E a, b \in Honest : Send(a, b) \/ Pull(a, b) \/ Fetch(a, b) \/ SendBlock(b)
Next == Deliver \/ \E n \in Honest : Lie(n) \/ \E kind \in {"prevote", "precommit"} : GiveUp(n, kind)

(* The liar may stop at any time: nothing that it could still do counts. *)
Waiting == ~ENABLED Deliver
Locks == {n \in Honest : <<"precommit", n>> \in has[n]}

(* No timeout runs out and the leader is honest: all decide. *)
HonestRound == Waiting /\ ~GivesUp /\ Leader \in Honest => \A n \in Honest : Decided(n)
(* If one has decided, all do. *)
Totality == Waiting /\ (\E n \in Honest : Final \in has[n]) => \A n \in Honest : Decided(n)
(* If one is locked, all have the polka and the block: whoever leads next proposes it. *)
NoHiddenLock == Waiting /\ Locks # {} => \A n \in Honest : {Polka, Block} \subseteq has[n]
(* What is certified was signed by a quorum, and an honest one among them has the block. *)
Integrity == \A n \in Honest :
    /\ Polka \in has[n] => \E m \in Honest : {Block, <<"prevote", m>>} \subseteq has[m]
    /\ Final \in has[n] => \E m \in Honest : {Polka, Block, <<"precommit", m>>} \subseteq has[m]
=============================================================================
