"""The provers and verifiers of `proofs`, loaded a second time over a group whose discrete logarithms are known.

Rule: their code as it stands, none copied by hand: a point *is* its discrete logarithm modulo q, a pairing is a
product. So a test sees what somebody without any bound on time would see of a proof, and may know τ. q is the true
order or a small prime with 256 | q − 1, at which distributions can be counted. Nothing of `proofs` itself changes.
"""

import importlib
import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

_IMPORT = re.compile(r"^(\s*(?:from|import) )proofs\b", re.MULTILINE)
_NATIVE = re.compile(r"\bpy_arkworks_bls12381\b")


def native_over(q: int) -> ModuleType:
    """What `py_arkworks_bls12381` offers, over the integers modulo q."""

    class Scalar:
        def __init__(self, value: int = 0):
            self.value = value % q

        @classmethod
        def from_le_bytes(cls, data: bytes) -> Any:
            return cls(int.from_bytes(data, "little"))

        @classmethod
        def from_be_bytes(cls, data: bytes) -> Any:
            return cls(int.from_bytes(data, "big"))

    class _Point:
        def __init__(self, log: int = 1):
            self.log = log % q

        def __add__(self, other: Any) -> Any:
            return type(self)(self.log + other.log)

        def __sub__(self, other: Any) -> Any:
            return type(self)(self.log - other.log)

        def __neg__(self) -> Any:
            return type(self)(-self.log)

        def __mul__(self, scalar: Scalar) -> Any:
            return type(self)(self.log * scalar.value)

        def __eq__(self, other: object) -> bool:
            return isinstance(other, _Point) and bool(self.log == other.log)

        def __hash__(self) -> int:
            return hash(self.log)

        @classmethod
        def identity(cls) -> Any:
            return cls(0)

        @classmethod
        def multiexp_unchecked(cls, points: Sequence[Any], scalars: Sequence[Scalar]) -> Any:
            return cls(sum(p.log * s.value for p, s in zip(points, scalars, strict=True)))

        def to_compressed_bytes(self) -> bytes:
            return b"\x80" + self.log.to_bytes(47, "big")

        @classmethod
        def from_compressed_bytes(cls, data: bytes) -> Any:
            return cls(int.from_bytes(data[1:], "big"))

    class G1Point(_Point):
        pass

    class G2Point(_Point):
        pass

    class GT:
        @staticmethod
        def pairing_check(first: Sequence[Any], second: Sequence[Any]) -> bool:
            return bool(sum(a.log * b.log for a, b in zip(first, second, strict=True)) % q == 0)

    module = ModuleType(f"native{q}")
    vars(module).update(Scalar=Scalar, G1Point=G1Point, G2Point=G2Point, GT=GT)
    return module


class _Copies(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `<name>.x` in the source of `proofs.x`, with its imports turned to `<name>`."""

    def __init__(self, name: str, q: int, generator: int, tau: int):
        self.name, self.q, self.generator, self.tau = name, q, generator, tau

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname.split(".")[0] != self.name:
            return None
        found = importlib.util.find_spec(fullname.replace(self.name, "proofs", 1))
        if found is None or found.origin is None:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, origin=found.origin)
        if spec is not None and found.submodule_search_locations is not None:
            spec.submodule_search_locations = []
        return spec

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        origin = module.__spec__.origin if module.__spec__ else None
        source = _IMPORT.sub(rf"\g<1>{self.name}", Path(str(origin)).read_text(encoding="utf-8"))
        source = _NATIVE.sub(f"{self.name}_native", source)
        exec(compile(source, str(origin), "exec"), vars(module))  # noqa: S102 - our own source, which is the point
        part = module.__name__.partition(".")[2]
        if part == "algebra.field":
            vars(module).update(ORDER=self.q, _GENERATOR=self.generator)
        if part == "algebra.coset":
            vars(module).update(SHIFT=self.generator)
        if part == "algebra.srs":
            native = sys.modules[f"{self.name}_native"]
            logs = [pow(self.tau, i, self.q) for i in range(2048 + 3)]
            first, second = tuple(map(native.G1Point, logs)), native.G2Point(self.tau)
            vars(module).update(powers_g1=lambda: first, tau_g2=lambda: second)


@lru_cache(maxsize=8)
def proofs_over(q: int, generator: int, tau: int) -> SimpleNamespace:
    """The modules of `proofs` over this toy group: `.field`, `.srs`, `.prover`, `.statement`, `.verifier`, …"""
    name = f"toy_proofs_{q % 10**6}_{tau % 10**6}"
    sys.modules[f"{name}_native"] = native_over(q)
    sys.meta_path.insert(0, _Copies(name, q, generator, tau))
    return modules_of(name)


def modules_of(package: str) -> SimpleNamespace:
    """The modules of `proofs`, or of its copy over a toy group."""
    parts = {
        "algebra": ("field", "srs", "group", "domain", "transcript", "commitment"),
        "linear": ("layout", "statement", "prover", "verifier", "messages"),
        "statement": ("arithmetization",),
    }
    found = {name: f"{folder}.{name}" for folder, names in parts.items() for name in names}
    found |= {"cover": "cover.prover"}
    return SimpleNamespace(**{name: importlib.import_module(f"{package}.{path}") for name, path in found.items()})
