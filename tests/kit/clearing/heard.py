"""Validators that attest one after another, over changes of their set."""

from collections.abc import Mapping

from clearing.schema.blocks.block import VoteExtension
from clearing.schema.facts import Fact
from clearing.validators.validator_sets import attesting_set, validator_sets
from tests.kit.clearing.world import World

SEVEN = dict.fromkeys(range(1, 8), 10)


def say(chamber: World, facts: Mapping[int, tuple[Fact, ...]], *transactions: object) -> object:
    said = {name: VoteExtension(facts=told) for name, told in facts.items() if name in chamber.speakers()}
    return chamber.hear(said, *transactions)  # type: ignore[arg-type]


def until_heard(chamber: World) -> None:
    """Silent blocks until the changed set is the one that speaks."""
    while attesting_set(chamber.state) != validator_sets(chamber.state).next:
        chamber.hear({})
