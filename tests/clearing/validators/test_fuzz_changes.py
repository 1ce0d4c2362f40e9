"""Random words, lies, deposits, misbehaviour and changes of the set: what always holds afterwards."""

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from clearing.apply_block import apply_block
from clearing.base.validators import ValidatorSet
from clearing.initial_state import initial_state
from clearing.schema.blocks.block import ProvenOffence, VoteExtension
from clearing.schema.blocks.receipt import Refused
from clearing.schema.facts import ChainHeartbeat, Fact
from clearing.schema.receipts.collateral import DepositCredited
from clearing.schema.receipts.validators import ValidatorChangeFinished, ValidatorsChanged, VaultDiverged
from clearing.schema.terms.genesis import MarketParameters
from clearing.state.export import export_state, import_state
from clearing.validators.misbehaviour import is_reported
from clearing.validators.set_changes import moved_power
from clearing.validators.validator_sets import attesting_set, set_numbers, stored_set, validator_sets, validators_at
from tests.kit.clearing.chamber import chamber_genesis, chamber_world
from tests.kit.clearing.genesis import ALICE, BOB, BTC, ETH, SALT, USDC_1, VAULTS
from tests.kit.clearing.signer import key_of, validator
from tests.kit.clearing.world import of_kind, reports

NAMES = range(1, 11)
MARKET = MarketParameters(move_cap_ppm=900_000, epoch_blocks=4, report_age_ms_max=20_000)


class Chambers(RuleBasedStateMachine):
    """One chamber; what it decided is executed again by a second replica, in another order of extensions."""

    @initialize(powers=st.dictionaries(st.sampled_from(NAMES), st.integers(5, 20), min_size=3, max_size=7))
    def begin(self, powers: dict[int, int]) -> None:
        genesis = chamber_genesis(powers, MARKET)
        self.one = chamber_world(genesis=genesis)
        self.other = initial_state(genesis, SALT)
        self.waiting: list[Fact] = []
        self.held: dict[int, ValidatorSet] = {1: genesis.validators}
        self.credited: set[tuple[int, int]] = set()
        self.changed_at = 0

    def decide(self, said: dict[int, VoteExtension], *requests: object, **more: object) -> None:
        before = validator_sets(self.one.state)
        result = self.one.hear(said, *requests, **more)  # type: ignore[arg-type]
        block = self.one.blocks[-1]
        shuffled = msgspec.structs.replace(block, extensions=tuple(reversed(block.extensions)))
        fork, again = apply_block(self.other, shuffled)
        assert again == result
        self.other = fork.absorb()
        after = validator_sets(self.one.state)
        assert (after.attesting, after.last, after.now) == (before.last, before.now, before.next)
        gone, come = moved_power(before.next, after.next)
        assert 3 * gone <= before.next.total_power
        assert 3 * come <= after.next.total_power
        self.held[result.height + 2] = after.next
        for receipt in of_kind(result, DepositCredited):
            assert (receipt.chain_id, receipt.nonce) not in self.credited
            self.credited.add((receipt.chain_id, receipt.nonce))
        if of_kind(result, ValidatorChangeFinished):
            assert result.height >= self.changed_at + 3
            self.changed_at = 0
        if of_kind(result, ValidatorsChanged):
            assert self.changed_at == 0, "one at a time"
            self.changed_at = result.height

    def words(self, data: st.DataObject) -> dict[int, VoteExtension]:
        """What some of those who may speak say of all that may be seen."""
        rotated = self.one.rotations() if 0 in self.one.state.set_changes else ()
        lies = self.one.rotations((1,), validators_hash=b"\x66" * 32) if rotated else ()
        beats = [ChainHeartbeat(chain, data.draw(st.integers(1, 50)), bytes(32)) for chain in VAULTS]
        pool: list[Fact] = [*self.waiting, *rotated, *lies, *beats]
        time_ms = self.one.state.now.time_ms + 1_000
        said = {}
        for name in data.draw(st.sets(st.sampled_from(sorted(self.one.speakers())), min_size=1)):
            ticks = data.draw(st.integers(780_000, 800_000))
            facts = data.draw(st.lists(st.sampled_from(pool), max_size=4))
            said[name] = VoteExtension(reports((BTC, ticks), (ETH, 20_000), time_ms=time_ms), tuple(facts))
        return said

    @rule(data=st.data())
    def speak(self, data: st.DataObject) -> None:
        self.decide(self.words(data))

    @rule()
    def everybody_agrees(self) -> None:
        rotated = self.one.rotations() if 0 in self.one.state.set_changes else ()
        heard = tuple([*self.waiting, *rotated][:8])
        self.decide(dict.fromkeys(self.one.speakers(), VoteExtension((), heard)))

    @rule(account=st.sampled_from((ALICE, BOB)), units=st.integers(1, 10**9))
    def see_a_deposit(self, account: int, units: int) -> None:
        fact = self.one.deposit_fact(account, USDC_1, units)
        self.waiting += [fact, msgspec.structs.replace(fact, account=99)]

    @rule(block=st.integers(1, 20))
    def see_custody(self, block: int) -> None:
        self.waiting += list(self.one.custody_facts(4 * block))

    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        present = {
            self.one.names[each.envelope_key]: each.power for each in validator_sets(self.one.state).next.validators
        }
        gone = data.draw(st.sets(st.sampled_from(sorted(present)), max_size=2))
        come = data.draw(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 12), max_size=2))
        entered = [validator(*each) for each in come.items() if each[0] not in gone and present.get(each[0]) != each[1]]
        if len(gone) == len(present):
            return
        names = data.draw(st.sets(st.sampled_from(sorted(present)), min_size=1)) if data.draw(st.booleans()) else ()
        request = self.one.signed(self.one.unsigned(sorted(gone), entered), tuple(names))
        self.decide(self.words(data), request)
        refused = of_kind(self.one.results[-1], Refused)
        made = of_kind(self.one.results[-1], ValidatorsChanged)
        assert len(refused) + len(made) == 1
        if names and not validator_sets(self.one.state).next.is_quorum(sum(present[name] for name in names)):
            signed = sum(present[name] for name in names)
            assert made == [] or 3 * signed > 2 * sum(present.values())

    @rule(name=st.sampled_from(NAMES), kind=st.integers(1, 6))
    def misbehave(self, name: int, kind: int) -> None:
        height = self.one.state.now.height
        if height == 0 or is_reported(self.one.state, key_of(name), height, kind):
            return
        self.decide({}, misbehaviour=[ProvenOffence(key_of(name), kind, height, 0, 5)])
        assert is_reported(self.one.state, key_of(name), height, kind)

    @invariant()
    def every_word_is_of_who_is_there_with_the_power_it_has(self) -> None:
        validators = attesting_set(self.one.state).validators
        held = [(index, each.power) for (_, index), each in self.one.state.price_reports.ordered()]
        held += [(index, each.power) for (_, index), each in self.one.state.heartbeats.ordered()]
        for table in (self.one.state.fact_attestations, self.one.state.custody_attestations):
            for _, claim in table.ordered():
                held += [(each.validator, each.power) for each in claim.attestations]
                said = [(each.validator, each.fact) for each in claim.attestations]
                assert len(said) == len(set(said))
                agreed = {fact: 0 for _, fact in said}
                for each in claim.attestations:
                    agreed[each.fact] += each.power
                assert all(3 * power <= 2 * attesting_set(self.one.state).total_power for power in agreed.values())
        assert all(power == validators[index].power for index, power in held)

    @invariant()
    def replicas_are_equal_however_they_came_to_be(self) -> None:
        roots = self.one.state.module_roots()
        assert self.other.module_roots() == roots
        if self.one.state.now.height % 3 == 0:
            assert import_state(self.one.genesis, SALT, export_state(self.one.state)).module_roots() == roots

    @invariant()
    def sets_are_those_of_their_heights(self) -> None:
        state = self.one.state
        for height in range(max(1, state.now.height - 6), state.now.height + 3):
            expected = self.held.get(height) or self.held[1]
            assert validators_at(state, height) == expected
        assert stored_set(state, set_numbers(state).next) == validators_at(state, state.now.height + 2)

    @invariant()
    def a_vault_astray_holds_up_the_next_change_for_good(self) -> None:
        if any(of_kind(each, VaultDiverged) for each in self.one.results):
            assert self.one.state.set_changes[0].diverged_vaults


Chambers.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestChambers = Chambers.TestCase
