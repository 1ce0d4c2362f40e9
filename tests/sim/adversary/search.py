"""The optimiser: an evolution of action sequences that counts the transactions it has applied.

Rule: what a seed finds does not depend on the engine. Candidates come in litters with the same first blocks, which are
played once. The population has one place for each way to act, so that doing nothing fills only one (MAP-Elites, Mouret
and Clune 2015). It is thrown away when it has not improved for a while; the best candidate is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from lab.engine import Engine
from tests.sim.adversary.actions import draw_action, in_words
from tests.sim.adversary.paths import FIRST_MOVE
from tests.sim.adversary.play import Genome, Judgement, first_blocks, judge
from tests.sim.adversary.scenarios import SCENARIOS, Scenario, opened, without_cryptography

ROUNDING_MICROS = 10_000
"""A profit up to a cent is rounding: a play has fewer than 10,000 payments, and each rounds by less than a micro."""
LITTER, LITTERS = 4, 8
POPULATION = 512
PATIENCE = 200
"""Generations without improvement until a restart."""
TOURNAMENT = 4
PROGRESS = 20_000
"""Operations between two reports."""
FEW = 5
"""Random candidates have at most this many actions: among many, one spoils what the others gain."""
Way = frozenset[tuple[str, int, bool]]
"""Which kinds of action a candidate has, whose, and whether before prices move."""
Population = dict[Way, tuple[int, Genome]]
"""The best candidate of each way to act, with its profit."""


@dataclass(frozen=True, slots=True)
class Found:
    """The best candidate, and after how many operations a profit was first found (None: never)."""

    genome: Genome
    judgement: Judgement
    operations: int
    first_profit: int | None
    restarts: int


@dataclass(slots=True)
class _Progress:
    best: tuple[Genome, Judgement] | None = None
    operations: int = 0
    first_profit: int | None = None
    restarts: int = 0
    population: Population = field(default_factory=dict)
    stale: int = 0


def judged_litter(scenario: str, off: tuple[str, ...], litter: tuple[Genome, ...]) -> tuple[list[Judgement], int]:
    """Play a litter in its scenario. A function of a module, for any engine."""
    terms = SCENARIOS[scenario]
    start = opened(scenario, off)
    with without_cryptography(), terms.without_rules(off):
        return judge(start, litter, terms.paths, **terms.judged)


def search(
    scenario: Scenario,
    off: tuple[str, ...],
    operations: int,
    seed: int,
    engine: Engine,
    *,
    stop_at_profit: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Found:
    """Look for the best candidate until so many operations were applied, or a first profit was found."""
    chance, progress = Random(f"{scenario.name}/{seed}"), _Progress()
    while progress.operations < operations and not (stop_at_profit and progress.first_profit is not None):
        litters = [_litter(chance, scenario, progress.population) for _ in range(LITTERS)]
        known, before = _reached(progress), progress.operations
        for litter, (judgements, applied) in zip(
            litters, engine.run(partial(judged_litter, scenario.name, off), litters), strict=True
        ):
            progress.operations += applied
            for genome, judgement in zip(litter, judgements, strict=True):
                _consider(progress, genome, judgement, report)
        if before // PROGRESS < progress.operations // PROGRESS and progress.best is not None:
            best = progress.best[1].profit / 1e6
            report(f"{progress.operations:,} operations so far, {progress.restarts} restarts: best profit {best:,.6f}")
        ranked = sorted(progress.population.items(), key=lambda each: -each[1][0])
        progress.population = dict(ranked[:POPULATION])
        progress.stale = progress.stale + 1 if known == _reached(progress) else 0
        if progress.stale > PATIENCE:
            progress.population, progress.stale, progress.restarts = {}, 0, progress.restarts + 1
    if progress.best is None:
        raise ValueError("a search needs at least one operation")
    return Found(*progress.best, progress.operations, progress.first_profit, progress.restarts)


def _reached(progress: _Progress) -> tuple[int, int | None]:
    """How many ways to act the population has, and the best profit."""
    return len(progress.population), progress.best[1].profit if progress.best else None


def _consider(progress: _Progress, genome: Genome, judgement: Judgement, report: Callable[[str], None]) -> None:
    """Add a candidate."""
    way = frozenset((action[0], action[1], block < FIRST_MOVE) for block, action in genome)
    # An equal one takes the place: what costs nothing may be half of what pays.
    if way not in progress.population or judgement.profit >= progress.population[way][0]:
        progress.population[way] = (judgement.profit, genome)
    if progress.best is None or judgement.profit > progress.best[1].profit:
        progress.best = (genome, judgement)
        report(f"{progress.operations:,} operations: best profit {judgement.profit / 1e6:,.6f}")
    if judgement.profit > ROUNDING_MICROS and progress.first_profit is None:
        progress.first_profit = progress.operations


def _litter(chance: Random, scenario: Scenario, population: Population) -> tuple[Genome, ...]:
    """Candidates with the same first blocks: random ones, or offspring of the better ones."""
    if len(population) < LITTERS or chance.random() < 0.2:
        first = _random_genome(chance, scenario)
    else:
        first = _mutated(chance, scenario, _offspring(chance, scenario, population))
    begun, litter = first_blocks(first), [first]
    while len(litter) < LITTER:
        changed = _mutated(chance, scenario, first)
        litter.append(_ordered((*begun, *(each for each in changed if each[0] >= FIRST_MOVE))))
    return tuple(litter)


def _random_genome(chance: Random, scenario: Scenario) -> Genome:
    count = chance.randint(2, FEW)
    return _ordered(tuple(_random_gene(chance, scenario) for _ in range(count)))


def _random_gene(chance: Random, scenario: Scenario) -> tuple[int, tuple[object, ...]]:
    blocks = FIRST_MOVE if chance.random() < 0.25 else scenario.blocks
    return chance.randrange(blocks), draw_action(chance, scenario.kinds, scenario.accounts)


def _offspring(chance: Random, scenario: Scenario, population: Population) -> Genome:
    """One parent's actions up to a random block, another's after it; or one parent alone."""
    known = list(population.values())
    sizes = (1, TOURNAMENT)
    first, second = (
        max((chance.choice(known) for _ in range(chance.choice(sizes))), key=lambda each: each[0])[1] for _ in range(2)
    )
    if chance.random() < 0.5:
        return first
    cut = chance.randrange(scenario.blocks)
    joined = tuple(each for each in first if each[0] < cut) + tuple(each for each in second if each[0] >= cut)
    return joined[: scenario.actions_max]


def _mutated(chance: Random, scenario: Scenario, genome: Genome) -> Genome:
    """One to three small changes: an action more, one less, another one, or at another time."""
    genes = list(genome)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(genes)) if genes else 0
        way = chance.random()
        if not genes or (way < 0.3 and len(genes) < scenario.actions_max):
            genes.append(_random_gene(chance, scenario))
        elif way < 0.5:
            del genes[at]
        elif way < 0.75:
            genes[at] = (genes[at][0], draw_action(chance, scenario.kinds, scenario.accounts))
        else:
            moved = genes[at][0] + chance.choice((-3, -2, -1, 1, 2, 3))
            genes[at] = (min(max(moved, 0), scenario.blocks - 1), genes[at][1])
    return _ordered(tuple(genes))


def _ordered(genes: Genome) -> Genome:
    """In order of the block; actions of one block stay in theirs."""
    return tuple(sorted(genes, key=lambda gene: gene[0]))


def shortened(scenario: Scenario, off: tuple[str, ...], genome: Genome) -> Genome:
    """Without the actions that its profit does not need: what remains is the exploit."""
    profit = judged_litter(scenario.name, off, (genome,))[0][0].profit
    for gene in genome:
        shorter = tuple(each for each in genome if each is not gene)
        left = judged_litter(scenario.name, off, (shorter,))[0][0].profit
        if left >= profit:
            genome, profit = shorter, left
    return genome


def as_text(genome: Genome) -> str:
    """The sequence in words, a line an action."""
    return "\n".join(f"  block {block:>2}: {in_words(action)}" for block, action in genome)
