"""Option values, greeks and risk arrays: the same bits in any batch, order, memory layout and on any vector unit."""

import os
import struct
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearing.margin.risk_arrays.arrays import build_risk_arrays
from clearing.margin.risk_arrays.grid import OPTION_GRID, OPTION_SHOCK
from clearing.pricing import black76
from clearing.pricing.black76 import option_greeks
from clearing.schema.risk.parameters import RiskGroup, RiskParameters
from clearing.schema.terms.assets import CashGroup
from tests.kit.margin.surfaces import LISTED, NOW_MS, SURFACE

COUNT = 2 * black76.BLOCK + 17


def quotes(seed: int, count: int) -> list[np.ndarray]:
    """Some of every kind: dead, nearly dead, at the money, far out. Made without functions that differ by machine."""
    rng = np.random.default_rng(seed)
    forward = rng.uniform(1e3, 1e7, count)
    strike = np.where(rng.random(count) < 0.1, forward, forward * rng.uniform(0.1, 4.0, count))
    volatility = rng.choice([0.01, 0.3, 0.8, 2.5, 40.0], count)
    years = rng.choice([-1.0, 0.0, 1e-9, 1e-5, 0.02, 0.3, 5.0], count)
    return [forward, strike, volatility, years, rng.uniform(0.8, 1.0, count), rng.random(count) < 0.5]


def everything(columns: list[np.ndarray]) -> np.ndarray:
    """[5, n] value and greeks."""
    found = option_greeks(*columns)
    return np.array([black76.option_values(*columns), found.delta, found.gamma, found.vega, found.theta])


COLUMNS = quotes(11, COUNT)
WHOLE = everything(COLUMNS)


def same(left: np.ndarray, right: np.ndarray) -> bool:
    return left.tobytes() == right.tobytes()


@settings(max_examples=30)
@given(st.integers(1, COUNT), st.integers(0, COUNT - 1), st.integers(1, 9), st.booleans())
def test_any_stretch_any_stride_and_either_direction_has_the_same_bits(length, start, stride, backwards):
    cut = slice(start, start + length, stride)
    part = [column[cut][::-1] if backwards else column[cut] for column in COLUMNS]
    expected = WHOLE[:, cut][:, ::-1] if backwards else WHOLE[:, cut]
    assert same(everything(part), np.ascontiguousarray(expected))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 63, 1000, black76.BLOCK - 1, black76.BLOCK, black76.BLOCK + 1])
def test_batches_of_any_size_have_the_same_bits(size):
    last = min(COUNT, 60 * size)
    parts = [everything([column[at : min(at + size, last)] for column in COLUMNS]) for at in range(0, last, size)]
    assert same(np.concatenate(parts, axis=1), np.ascontiguousarray(WHOLE[:, :last]))


def test_a_shuffled_batch_and_columns_of_one_matrix_have_the_same_bits():
    order = np.random.default_rng(5).permutation(COUNT)
    assert same(everything([column[order] for column in COLUMNS]), np.ascontiguousarray(WHOLE[:, order]))
    rows = np.column_stack(COLUMNS[:5])  # a column's elements are five apart
    off = np.frombuffer(b"\0" + COLUMNS[5].tobytes() + b"\0", np.bool_, offset=1, count=COUNT)
    assert same(everything([*rows.T, off]), WHOLE)


def test_inputs_are_read_only_and_kept():
    frozen = [column.copy() for column in COLUMNS]
    for column in frozen:
        column.setflags(write=False)
    assert same(everything(frozen), WHOLE)


def digest() -> str:
    """Of values, greeks and arrays on a surface."""
    found = sha256(everything(quotes(3, 5000)).tobytes())
    terms = {"surface": SURFACE, "shock": OPTION_SHOCK}
    groups = tuple(RiskGroup(at, f"G{at}", at, 180_000, 800_000, 500_000, **terms) for at in (1, 2))
    risk = RiskParameters(groups, OPTION_GRID, rate_ppm=30_000)
    for tick in range(50):
        index = {1: 800_000 + 977 * tick, 2: 20_000 + 31 * tick}
        built = build_risk_arrays(LISTED, [], [CashGroup(1, "USD")], {}, index, risk, NOW_MS + 3_600_000 * tick)
        found.update(built.values.astype("<i8").tobytes())
    return found.hexdigest()


def vector_features() -> list[str]:
    """Instruction sets that numpy chooses from at run time and this processor has, lowest first."""
    from numpy._core import _multiarray_umath as core

    return [each for each in core.__cpu_dispatch__ if core.__cpu_features__.get(each)]


def test_every_vector_unit_gives_the_same_bits():
    expected, features = digest(), vector_features()
    program = "import tests.clearing.pricing.test_same_bits as t; print(t.digest(), *t.vector_features())"
    for kept in range(len(features)):
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(features[kept:])}
        call = [sys.executable, "-c", program]
        found, *left = subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout.split()
        assert left == features[:kept], "the features are off"
        assert found == expected, f"without {features[kept:]}"


def test_values_and_arrays_are_frozen():
    # A machine, interpreter or numpy that gives another digest must not take part in consensus.
    assert struct.calcsize("d") == 8
    assert digest() == "826986d4caf54fc222a15b8a65fcaf6ac9a36850bf6e291cf1208c557d04288f"
