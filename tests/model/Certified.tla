----------------------------- MODULE Certified -----------------------------
(* Agreement by certificates, as consensus/core/step.py makes it: what may be signed and decided when any certificate
   that can exist is shown to anybody at any time, in any order, or never.

   The liar's power is one validator's. It signs everything: each of its votes is there for whoever wants to count it. It
   also leads every round and proposes whatever helps it, to each validator something else; what an honest leader would
   propose is among that. Collectors, re-proposals, certificates shown instead of votes, blocks fetched by their polka and
   votes passed on are orders of delivery, so all of them are covered: a certificate exists as soon as its votes are cast.

   A vote for nil is not told from no vote: neither makes a value final. So a validator skips to a round that an honest
   one has entered, voted or not, which allows more than the core does.

   `last` is the input that led to a state, for replays; VIEW leaves it out. *)
EXTENDS Naturals, Integers, FiniteSets, TLC

CONSTANTS Honest, Heavy, LiarPower, Values, LastRound, Planted
(* Heavy: honest validators with twice the power of the others. Planted: the name of an error, or "nothing". *)

VARIABLES round, step, prevotes, precommits, locked, valid, decision, last
variables == <<round, step, prevotes, precommits, locked, valid, decision, last>>
view == <<round, step, prevotes, precommits, locked, decision>>

Rounds == 0..LastRound
Nil == "nil"  (* No value: not voted yet, or voted for nil. Neither counts for a certificate that could harm. *)
Invalid == "invalid"
NoLock == [value |-> Nil, round |-> -1]

Power(n) == IF n \in Heavy THEN 2 ELSE 1
RECURSIVE Sum(_)
Sum(S) == IF S = {} THEN 0 ELSE LET n == CHOOSE each \in S : TRUE IN Power(n) + Sum(S \ {n})
Total == Sum(Honest) + LiarPower
IsQuorum(S) == LET power == 3 * (Sum(S) + LiarPower)
               IN power > 2 * Total \/ (Planted = "at_least" /\ power = 2 * Total)
IsSkip(S) == 3 * (Sum(S) + LiarPower) > Total

(* The liar's share is added to whatever the honest have signed. *)
Polka(r, v) == IsQuorum({n \in Honest : prevotes[n][r] = v})
Final(r, v) == IsQuorum({n \in Honest : precommits[n][r] = v
                                        \/ (Planted = "one_kind" /\ prevotes[n][r] = v)})

Init == /\ round = [n \in Honest |-> 0]
        /\ step = [n \in Honest |-> "propose"]
        /\ prevotes = [n \in Honest |-> [r \in Rounds |-> Nil]]
        /\ precommits = [n \in Honest |-> [r \in Rounds |-> Nil]]
        /\ locked = [n \in Honest |-> NoLock]
        /\ valid = [n \in Honest |-> NoLock]
        /\ decision = [n \in Honest |-> [value |-> Nil, round |-> -1]]
        /\ last = [rule |-> "start"]

Raised(n, r, v) == IF r > valid[n].round THEN [valid EXCEPT ![n] = [value |-> v, round |-> r]] ELSE valid

Prevote(n, v) == /\ prevotes' = [prevotes EXCEPT ![n][round[n]] = v]
                 /\ step' = [step EXCEPT ![n] = "prevote"]
                 /\ UNCHANGED <<round, precommits, locked, decision>>

Precommit(n, v) == /\ precommits' = [precommits EXCEPT ![n][round[n]] = v]
                   /\ step' = [step EXCEPT ![n] = "precommit"]
                   /\ UNCHANGED <<round, prevotes, decision>>

(* L22: a fresh proposal of the liar. *)
PrevoteNew(n, v) ==
    /\ step[n] = "propose"
    /\ LET free == locked[n].round = -1 \/ locked[n].value = v \/ Planted = "no_lock"
           good == v # Invalid \/ Planted = "no_validity"
       IN Prevote(n, IF free /\ good THEN v ELSE Nil)
    /\ UNCHANGED valid
    /\ last' = [rule |-> "L22", node |-> n, value |-> v]

(* L28: a re-proposal with its polka, which is shown. *)
PrevoteAgain(n, p, v) ==
    /\ step[n] = "propose" /\ p < round[n] /\ Polka(p, v)
    /\ LET free == locked[n].round <= p \/ locked[n].value = v
       IN Prevote(n, IF free THEN v ELSE Nil)
    /\ valid' = Raised(n, p, v)
    /\ last' = [rule |-> "L28", node |-> n, value |-> v, polka |-> p]

(* L57 *)
ProposeTimeout(n) ==
    /\ step[n] = "propose" /\ Prevote(n, Nil)
    /\ UNCHANGED valid
    /\ last' = [rule |-> "L57", node |-> n]

(* L36: the polka of the own round, from whoever shows it; the block comes from one of its signers. *)
Lock(n, v) ==
    /\ step[n] = "prevote" /\ Polka(round[n], v)
    /\ Precommit(n, v)
    /\ locked' = [locked EXCEPT ![n] = [value |-> v, round |-> round[n]]]
    /\ valid' = Raised(n, round[n], v)
    /\ last' = [rule |-> "L36", node |-> n, value |-> v]

(* L36 after a precommit, and the hidden lock: a polka of a round before raises the valid value and opens no lock. One of
   a later round makes a validator skip there first. *)
Raise(n, p, v) ==
    /\ (p < round[n] \/ (p = round[n] /\ step[n] = "precommit"))
    /\ Polka(p, v) /\ p > valid[n].round
    /\ valid' = Raised(n, p, v)
    /\ last' = [rule |-> "raise", node |-> n, value |-> v, polka |-> p]
    /\ UNCHANGED <<round, step, prevotes, precommits, locked, decision>>

(* L61, and L44 with the polka of nil: it does the same. *)
PrevoteTimeout(n) ==
    /\ step[n] = "prevote" /\ Precommit(n, Nil)
    /\ UNCHANGED <<locked, valid>>
    /\ last' = [rule |-> "L61", node |-> n]

Enter(n, r) == /\ round' = [round EXCEPT ![n] = r]
               /\ step' = [step EXCEPT ![n] = "propose"]
               /\ UNCHANGED <<prevotes, precommits, locked, valid, decision>>

(* L65 *)
PrecommitTimeout(n) ==
    /\ step[n] = "precommit" /\ round[n] < LastRound /\ Enter(n, round[n] + 1)
    /\ last' = [rule |-> "L65", node |-> n]

(* L55: the liar and one honest validator are in a later round. *)
Skip(n, m) ==
    /\ step[n] # "decided" /\ round[m] > round[n] /\ IsSkip({m})
    /\ Enter(n, round[m])
    /\ last' = [rule |-> "L55", node |-> n, round |-> round[m], seen |-> m]

(* L49: a final certificate of any round. *)
Decide(n, p, v) ==
    /\ step[n] # "decided" /\ Final(p, v)
    /\ decision' = [decision EXCEPT ![n] = [value |-> v, round |-> p]]
    /\ step' = [step EXCEPT ![n] = "decided"]
    /\ UNCHANGED <<round, prevotes, precommits, locked, valid>>
    /\ last' = [rule |-> "L49", node |-> n, value |-> v, final |-> p]

(* Who has decided votes on here, so that the checks need no decisions: certificates alone say what can be decided. *)
Act(n) == \/ \E v \in Values \cup {Invalid} : PrevoteNew(n, v)
          \/ \E v \in Values, p \in Rounds : PrevoteAgain(n, p, v) \/ Raise(n, p, v)
          \/ \E v \in Values : Lock(n, v)
          \/ \E m \in Honest : Skip(n, m)
          \/ ProposeTimeout(n) \/ PrevoteTimeout(n) \/ PrecommitTimeout(n)
Next == \E n \in Honest : Act(n)
(* For traces: with decisions, after which a validator does nothing more at this height. *)
NextDeciding == \E n \in Honest : /\ step[n] # "decided"
                                  /\ Act(n) \/ \E v \in Values, p \in Rounds : Decide(n, p, v)

AnyValue == Values \cup {Invalid}
(* No two certificates make two values final: stronger than that no two honest validators decide them. *)
Agreement == \A r, s \in Rounds : \A v, w \in AnyValue : Final(r, v) /\ Final(s, w) => v = w
(* Nobody can make a certificate of either kind for what the rules call invalid. *)
Validity == \A r \in Rounds : ~Polka(r, Invalid) /\ ~Final(r, Invalid)
(* One polka a round, and what is final has one. *)
Certificates == \A r \in Rounds : \A v, w \in AnyValue : /\ Polka(r, v) /\ Polka(r, w) => v = w
                                                         /\ Final(r, v) => Polka(r, v)
(* Who is locked can show why, and would propose what it is locked on or something newer. *)
Locks == \A n \in Honest : locked[n].round >= 0 => /\ Polka(locked[n].round, locked[n].value)
                                                   /\ valid[n].round >= locked[n].round
(* Whoever signed a polka with the liar holds the block, so it can be fetched. *)
Available == \A r \in Rounds : \A v \in Values : Polka(r, v) => \E n \in Honest : prevotes[n][r] = v
Symmetry == Permutations(Honest \ Heavy) \cup Permutations(Values)
=============================================================================
