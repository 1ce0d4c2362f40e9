"""The base of the project: types and rules that cross package borders.

Ids, units, errors, the canonical codec, hashing, signatures, `Header`, `ValidatorSet` and `Certificate`. Every package
may import it. It is the only part of `clearing` that `consensus` may import.
"""
