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


def test_a_seed_means_the_same_faults_each_time() -> None:
    assert faults_of(12) == faults_of(12)
