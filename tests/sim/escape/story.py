"""Random stories of a vault on a real chain: deposits, withdrawals, checkpoints, and in the end its escape.

Rule: everything of a story follows from its seed. The ledger beside the vault is honest; everybody else takes steps in
any order, parts and repetitions. `tests.sim.escape.escaping` has the escape, and what must hold.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from clearing.epochs.exit_tree import NO_EXITS
from devnet.anvil import anvil_chain
from tests.kit.bridge.certified import NEVER, Tree, released
from tests.kit.bridge.vault_chain import FOUR, LEAST, UNIT, Refused, make_header
from tests.sim.escape.escaping import Escaping
from tests.sim.escape.ledger import NOBODY, OWNERS, Closed, Deposited, Fate, Ledger, Released
from tests.sim.escape.place import WITHDRAWN, Place, events_of
from tests.sim.violation import Violation

BLOCKED = bytes([0x42]) * 20
"""Whom the moody token refuses in one of its moods."""
STEPS_MIN, STEPS_MAX = 8, 25
"""Before the snapshot, and after it."""
VALID_S_MAX = 8 * 3600
"""Of a withdrawal that expires."""
MOODS = ("Fair", "Fair", "ReceiverFee", "Blocking", "Silent")
TOKEN_WEIGHTS = (6, 2, 2)
"""A plain one, one that may be listed late, and a moody one."""
Step = Callable[[], None]


def failures_of(seeds: Iterable[int]) -> list[tuple[int, str]]:
    """All of `failures`."""
    return list(failures(seeds))


def failures(seeds: Iterable[int]) -> Iterator[tuple[int, str]]:
    """The seeds whose stories break a rule, and what they say."""
    with tempfile.TemporaryDirectory() as folder, anvil_chain(31337, Path(folder)) as chain:
        place = Place(chain)
        for seed in seeds:
            fault = ""
            with place.put_back():
                try:
                    Story(place, seed).play()
                except Violation as violation:
                    fault = str(violation)
            if fault:
                yield seed, fault


class Story:
    """One vault and its ledger. `variant`: what the seed chose to happen."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place, self.vault = place, place.vault
        self.draw = Random(seed)
        self.plain, self.late, self.moody = place.tokens
        listed = {self.plain, self.moody} | ({self.late} if self.chance(0.5) else set())
        self.ledger = Ledger((place.chain.chain_id, self.vault.vault_at.address), listed)
        self.variant = {name for name in ("transfers", "losses", "hiding") if self.chance(0.25)}
        self.got: Counter[tuple[bytes, int]] = Counter()
        """Base units that the vault paid, by token and owner."""
        self.log: list[str] = []
        self.known: Closed | None = None
        """The tree that the vault pays by."""
        self._closed: Closed | None = None
        self._carried: Closed | None = None
        self._height = 0
        self._certified = 0
        self._withdrawals = Tree([])
        self._entries: list[tuple[tuple[Any, ...], bytes]] = []

    def chance(self, share: float) -> bool:
        """Whether something of this probability happens."""
        return self.draw.random() < share

    def say(self, *what: object) -> None:
        """Remember a step, for the report."""
        self.log.append(" ".join(each.hex()[:4] if isinstance(each, bytes) else str(each) for each in what))

    def play(self) -> None:
        """The whole story. Raises Violation."""
        self.some(4, [self.deposit])
        self.some(self.draw.randrange(STEPS_MIN, STEPS_MAX), [*self.living(), self.see])
        if self.chance(0.9):
            self.take_snapshot()
        self.some(self.draw.randrange(STEPS_MIN, STEPS_MAX), self.living())
        escape = Escaping(self)
        if self.chance(0.2):
            escape.return_of_the_network()
        escape.begin()
        escape.settle()
        escape.pay()

    def some(self, count: int, steps: Sequence[Step]) -> None:
        """So many of these steps."""
        for _ in range(count):
            self.draw.choice(steps)()

    def living(self) -> list[Step]:
        """What happens while the network lives, by weight."""
        often = [self.deposit] * 5 + [self.see] * 4 + [self.withdraw] * 5 + [self.bring] * 4 + [self.handle_stray] * 3
        return [*often, self.learn_payment, self.transfer, self.set_mood, self.expire, *[self.close] * self.chance(0.3)]

    def dying(self) -> list[Step]:
        """The same when the vault takes neither deposits nor, as far as this goes, checkpoints."""
        return [self.see, self.withdraw, self.withdraw, self.pay, self.pay, self.handle_stray, self.close]

    # The ledger

    def deposit(self) -> None:
        token = self.draw.choices(self.place.tokens, TOKEN_WEIGHTS)[0]
        if token == self.late and token not in self.ledger.listed and self.known is None:
            return
        owner = self.draw.choice(OWNERS)
        account, amount = NOBODY if self.chance(0.3) else owner, self.draw.randrange(LEAST // UNIT + 1, 60) * UNIT
        sender, credited, rolled = self.place.deposit(owner, account, token, amount)
        nonce = len(self.ledger.deposits) + 1
        self.ledger.deposits.append(Deposited(nonce, token, account, credited, sender, owner, rolled))
        self.say("deposit", token, owner, account, credited)

    def see(self) -> None:
        """All deposits so far."""
        while self.ledger.cursor < len(self.ledger.deposits):
            if self.ledger.deposits[self.ledger.cursor].token == self.late and self.chance(0.7):
                self.ledger.listed.add(self.late)
            self.ledger.see_deposit(is_credited=self.chance(0.8))
        self.say("see", self.ledger.cursor)

    def handle_stray(self) -> None:
        strays = [each for each in self.ledger.deposits if each.fate in (Fate.STRAY, Fate.REFUND_DUE)]
        if not strays:
            return
        stray = self.draw.choice(strays)
        if stray.fate is Fate.STRAY and self.chance(0.5):
            self.ledger.credit(stray)
        elif self.chance(0.3):
            stray.fate = Fate.REFUND_DUE
        else:
            self._release(self.ledger.release_refund(stray, NEVER))
        self.say("stray", stray.nonce, stray.fate.name)

    def withdraw(self) -> None:
        owned = [(token, account) for token in self.place.tokens for account in OWNERS]
        owned = [at for at in owned if self.ledger.balances[at]]
        if not owned:
            return
        token, account = self.draw.choice(owned)
        most = self.ledger.balances[token, account]
        amount = most if self.chance(0.4) else self.draw.randrange(1, most + 1)
        to = BLOCKED if self.chance(0.1) else bytes([0x20 + len(self.ledger.released)]) * 20
        ends = NEVER if self.chance(0.5) else self.vault.now() + self.draw.randrange(60, VALID_S_MAX)
        self._release(self.ledger.release(token, account, amount, to, ends))

    def _release(self, made: Released) -> None:
        stated = {"account": made.account, "token": made.token, "amount": made.amount, "to": made.to}
        self._entries.append(released(self.vault, made.nonce, not_after_s=made.not_after_s, **stated))
        self.say("release", made.nonce, made.token, made.account, made.amount)

    def transfer(self) -> None:
        owned = [at for at in self.ledger.balances if self.ledger.balances[at]]
        if "transfers" in self.variant and owned:
            token, account = self.draw.choice(owned)
            amount = self.draw.randrange(1, self.ledger.balances[token, account] + 1)
            self.ledger.balances[token, account] -= amount
            self.ledger.balances[token, self.draw.choice(OWNERS)] += amount
            self.say("transfer", token, account, amount)

    def learn_payment(self) -> None:
        for each in self.ledger.released:
            each.is_ended |= each.is_paid

    def expire(self) -> None:
        """Withdrawals that are open are valid no longer, and their accounts try again."""
        self.vault.chain.rpc("evm_increaseTime", VALID_S_MAX)
        self.vault.chain.mine()
        now = self.vault.now()
        for each in self.ledger.released:
            if not each.is_paid and not each.is_ended and now > each.not_after_s and self.chance(0.8):
                self.ledger.give_back(each)
                self.say("give back", each.nonce)
        self.some(2, [self.withdraw])
        self.bring()

    def take_snapshot(self) -> None:
        """The vault learns a tree that is an epoch old."""
        for _ in range(2):
            self.close()
            self.some(2, [self.see, self.withdraw])
        self.checkpoint()

    def close(self) -> None:
        self._carried, self._closed = self._closed, self.ledger.close()
        self.say("close", self.ledger.cursor, len(self.ledger.released))

    # The vault

    def bring(self) -> None:
        """A checkpoint, and some payments under it."""
        self.checkpoint()
        self.pay()

    def checkpoint(self, time_s: int | None = None) -> None:
        self._height += 1
        self._certified, self._withdrawals = len(self._entries), Tree([leaf for _, leaf in self._entries])
        root = self._carried.tree.root if self._carried else NO_EXITS
        stated = {"withdrawals_root": self._withdrawals.root, "withdrawals_count": self._certified}
        now_ms = (self.vault.now() if time_s is None else time_s) * 1000
        self.vault.certified(make_header(FOUR, self._height, exit_root=root, time_ms=now_ms, **stated))
        self.known = self._carried
        self.say("checkpoint", self._height)

    def pay(self) -> None:
        unpaid = [each.nonce for each in self.ledger.released[: self._certified] if not each.is_paid]
        if not unpaid:
            return
        nonces = sorted(self.draw.sample(unpaid, self.draw.randrange(1, len(unpaid) + 1)))
        entries = [self._entries[nonce][0] for nonce in nonces]
        try:
            if len(nonces) == 1:
                receipt = self.vault.withdraw(entries[0], self._withdrawals.proof(nonces[0]))
            else:
                receipt = self.vault.withdraw_batch(entries, self._withdrawals.proof_of_many(nonces))
        except Refused as fault:
            if fault.name not in ("Expired", "NothingPaid", "NotInTheMood"):
                raise Violation(f"pay {nonces}: {fault.name}") from fault
            return
        logs = self.place.receipt("0x" + receipt["transactionHash"].hex())["logs"]
        for event in events_of(logs, WITHDRAWN):
            paid = self.ledger.released[int.from_bytes(event.topics[0], "big")]
            paid.is_paid = True
            self.got[paid.token, paid.owner] += paid.amount
            self.say("pay", paid.nonce)

    def set_mood(self) -> None:
        self.vault.set_mood(self.draw.choice(MOODS))
