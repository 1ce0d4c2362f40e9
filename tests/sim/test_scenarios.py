"""What seeds mean: never too many liars, and everything that may go wrong does in some."""

from tests.kit.adversaries.registry import ADVERSARIES
from tests.sim.consensus.scenarios import TROUBLES, faults_of

SEEDS = [faults_of(seed) for seed in range(1000)]


def test_less_than_a_third_is_faulty_in_every_set_of_a_seed() -> None:
    for faults in SEEDS:
        faulty = {index for index, _ in faults.liars} | set(faults.rotten)
        inside = set(range(faults.nodes)) - set(faults.outside)
        sets = [inside]
        for _, go, come in faults.swaps:
            sets.append((sets[-1] - set(go)) | set(come))
        for members in sets:
            assert 3 * len(members & faulty) < len(members)


def test_a_change_moves_at_most_a_third_of_the_power() -> None:
    for faults in SEEDS:
        size = faults.nodes - len(faults.outside)
        for _, go, come in faults.swaps:
            assert 3 * len(go) <= size
            size += len(come) - len(go)
            assert 3 * len(come) <= size


def test_every_kind_of_trouble_occurs() -> None:
    assert {lie for faults in SEEDS for _, lie in faults.liars} == set(ADVERSARIES)
    for nodes in (4, 7, 10):
        assert {lie for faults in SEEDS if faults.nodes == nodes for _, lie in faults.liars} == set(ADVERSARIES)
    assert {faults.nodes for faults in SEEDS} == {4, 7, 10, 13}
    assert any(faults.rotten for faults in SEEDS)
    assert any(faults.swaps for faults in SEEDS)
    assert all(faults.clearing for faults in SEEDS)
    assert len({(f.loss_percent, f.torn_write_percent, f.partition_interval_ms, f.skew_ms_max) for f in SEEDS}) > 50


def test_no_trouble_is_bound_to_some_sizes() -> None:
    assert all(len(TROUBLES) % divisor for divisor in range(2, len(TROUBLES)))


def test_powers_that_differ_can_meet_exactly_two_thirds_and_leave_less_than_a_third_faulty() -> None:
    differing = [faults for faults in SEEDS if faults.powers]
    assert len(differing) > 200
    for faults in differing:
        total = sum(faults.powers)
        faulty = {index for index, _ in faults.liars} | set(faults.rotten)
        assert 3 * sum(faults.powers[index] for index in faulty) < total
        reached = {0}
        for power in faults.powers:
            reached |= {already + power for already in reached}
        assert 2 * total % 3 == 0
        assert 2 * total // 3 in reached


def test_missing_links_leave_those_that_stay_honest_validators_connected() -> None:
    with_cuts = [faults for faults in SEEDS if faults.cut]
    assert len(with_cuts) > 400
    for faults in with_cuts:
        unsure = {index for index, _ in faults.liars} | set(faults.rotten) | set(faults.outside)
        unsure |= {index for _, go, _ in faults.swaps for index in go}
        sure = set(range(faults.nodes)) - unsure

        def linked(one: int, other: int, cut: tuple[tuple[int, int], ...] = faults.cut) -> bool:
            return (min(one, other), max(one, other)) not in cut

        reached = {min(sure)}
        for _ in sure:
            reached |= {other for other in sure if any(linked(one, other) for one in reached)}
        assert reached == sure
        assert all(any(linked(one, other) for other in sure) for one in unsure)


def test_a_seed_means_the_same_faults_each_time() -> None:
    assert faults_of(12) == faults_of(12)
