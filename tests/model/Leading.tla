------------------------------ MODULE Leading ------------------------------
(* Who leads, and who is passed over, as consensus/leaders.py and consensus/turns.py derive it from decided blocks.

   A height is decided in some round. The leaders of the rounds before it failed: a liar at will, whoever leads right after
   a liar (which hid a polka), and those that may be late. A block shows the round of a certificate of its parent. Where
   Twice holds there is a certificate of the next round, too, as after a slow network, and a proposer shows either.

   Node "a" follows the chain at once. Node "b" applies each block later, and may have the other certificate itself. All powers are equal, and all rounds are below the one from which everybody has turns. *)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS Count, Liars, Late, Twice, Period, LastHeight, LastRound, Planted

VARIABLES block, node, passed
(* block: the newest one, with its round and the round that it shows of its parent. passed: for how many heights in a row
   a validator was passed over. *)

Validators == 1..Count
Nodes == {"a", "b"}
PeriodOf(h) == IF Planted = "no_period" THEN 0 ELSE h \div Period
Fresh == <<>>
Place(failed, v) == CHOOSE i \in 0..Len(failed) :
                       \/ i > 0 /\ failed[i].who = v
                       \/ i = 0 /\ \A j \in 1..Len(failed) : failed[j].who # v

Charged(failed, v) == LET i == Place(failed, v)
                      IN IF i = 0 THEN Append(failed, [who |-> v, times |-> 1])
                         ELSE [failed EXCEPT ![i].times = @ + 1]
Forgiven(failed, v) == IF Planted = "no_return" THEN failed ELSE SelectSeq(failed, LAMBDA each : each.who # v)

(* Those with the most failures, the earliest first, as far as they have at most a third of the power. *)
RECURSIVE Out(_, _)
Out(failed, found) ==
    LET left == {i \in 1..Len(failed) : failed[i].who \notin found}
        Before(i, j) == \/ failed[i].times > failed[j].times
                        \/ /\ failed[i].times = failed[j].times
                           /\ i <= j
    IN IF left = {} THEN found
       ELSE LET first == CHOOSE i \in left : \A j \in left : i = j \/ Before(i, j)
                more == found \cup {failed[first].who}
            IN IF 3 * Cardinality(more) > Count /\ Planted # "no_limit" THEN found ELSE Out(failed, more)
PassedOver(failed) == Out(failed, {})

(* The turns of a height: round robin among those that are left. *)
Leader(h, r, failed) ==
    LET cycle == SelectSeq([v \in 1..Count |-> v], LAMBDA v : v \notin PassedOver(failed))
    IN IF cycle = <<>> THEN 0 ELSE cycle[((h + r) % Len(cycle)) + 1]

(* A round can fail: its leader lies, is late, or follows a liar that hid a polka. *)
Fails(h, r, failed) == LET leader == Leader(h, r, failed)
                       IN \/ leader \in Liars \cup Late
                          \/ r > 0 /\ Leader(h, r - 1, failed) \in Liars

RECURSIVE ChargedAll(_, _, _, _, _)
ChargedAll(failed, h, turns, r, upto) ==
    IF r = upto THEN Forgiven(failed, Leader(h, r, turns))
    ELSE ChargedAll(Charged(failed, Leader(h, r, turns)), h, turns, r + 1, upto)

(* What follows from a block of height h that shows this round of height h - 1: the history for the turns of h + 1. *)
After(n, h, shown) ==
    LET period == PeriodOf(h + 1)
    IN IF period # PeriodOf(h) THEN Fresh
       ELSE IF h = 1 \/ PeriodOf(h - 1) # period THEN n.failed
       ELSE ChargedAll(n.failed, h - 1, n.before, 0, shown)

Init == /\ block = [round |-> 0, shown |-> 0]
        /\ node = [n \in Nodes |-> [height |-> 0, failed |-> Fresh, before |-> Fresh, own |-> 0]]
        /\ passed = [v \in Validators |-> 0]

Applied(n, h, shown, own) ==
    LET used == IF Planted = "own_certificate" THEN n.own ELSE shown
    IN [height |-> h, failed |-> After(n, h, used), before |-> n.failed, own |-> own]

Certificates(r) == IF Twice THEN {r, r + 1} ELSE {r}

(* Height h is decided in round r by a block that shows a certificate of height h - 1. *)
Decide(r, s) ==
    LET a == node["a"]
        h == a.height + 1
        next == Applied(a, h, s, r)
    IN /\ h <= LastHeight /\ node["b"].height = a.height
       /\ \A k \in 0..(r - 1) : Fails(h, k, a.failed)
       /\ Leader(h, r, a.failed) # 0
       /\ IF h = 1 THEN s = 0 ELSE s \in Certificates(block.round)
       /\ block' = [round |-> r, shown |-> s]
       /\ node' = [node EXCEPT !["a"] = next]
       /\ passed' = [v \in Validators |-> IF v \in PassedOver(next.failed) THEN passed[v] + 1 ELSE 0]

Follow(own) ==
    LET b == node["b"]
        h == b.height + 1
    IN /\ h <= node["a"].height
       /\ own \in IF Planted = "own_certificate" THEN Certificates(block.round) ELSE {block.round}
       /\ node' = [node EXCEPT !["b"] = Applied(b, h, block.shown, own)]
       /\ UNCHANGED <<block, passed>>

Next == \/ \E r \in 0..LastRound, s \in 0..(LastRound + 1) : Decide(r, s)
        \/ \E own \in 0..(LastRound + 1) : Follow(own)

(* Who has the same blocks has the same turns. *)
SameLeaders == node["a"].height = node["b"].height =>
                 \A r \in 0..LastRound : Leader(node["a"].height + 1, r, node["a"].failed)
                                       = Leader(node["b"].height + 1, r, node["b"].failed)
(* Those passed over have at most a third of the power. *)
Third == 3 * Cardinality(PassedOver(node["a"].failed)) <= Count
(* Nobody is passed over for longer than the rest of a period. *)
NotForever == \A v \in Validators : passed[v] < Period
(* Who neither lies nor is late is passed over for one height at most: the next turn is its own. *)
NotStarved == Twice \/ \A v \in Validators \ (Liars \cup Late) : passed[v] <= 1
(* Of as many rounds in a row as there are validators, one is led by somebody who neither lies nor is late. *)
SomebodyLeads == \E r \in 0..(Count - 1) : Leader(node["a"].height + 1, r, node["a"].failed) \notin Liars \cup Late
=============================================================================
