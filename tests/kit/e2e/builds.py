"""Builds of this project as wheels, each in an environment of its own, and a next release made of these sources.

Rule: nothing is fetched. What the project depends on is taken from the environment that runs the tests.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NEXT_RELEASE = (
    ("pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"'),
    (
        "clearing/base/protocol.py",
        "RELEASE_VERSIONS = ProtocolVersions(oldest=1, newest=1)",
        "RELEASE_VERSIONS = ProtocolVersions(oldest=1, newest=2)",
    ),
    (
        "clearing/trades/novation.py",
        "    fee = mul_div_up(notional, context.terms.market.trade_fee_ppm, PPM)\n",
        "    fee = mul_div_up(notional, context.terms.market.trade_fee_ppm, PPM) * min(context.protocol_version, 2)\n",
    ),
)
"""(file, what it says, what the next release says): it has protocol version 2, by which trades cost twice the fee."""


def next_release(target: Path) -> Path:
    """The sources of a release with one more version, and one rule that differs in it."""
    sources = copied_sources(target)
    for name, before, after in NEXT_RELEASE:
        text = (sources / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name} no longer has the line that the next release changes"
        (sources / name).write_text(text.replace(before, after), encoding="utf-8")
    return sources


def copied_sources(target: Path) -> Path:
    """What a wheel is made of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    target.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target / name)
    for package in packages:
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", "build")
        shutil.copytree(ROOT / package.removesuffix("*"), target / package.removesuffix("*"), ignore=ignored)
    return target


def build_wheel(sources: Path, target: Path) -> Path:
    """Build a wheel with the installed tools."""
    target.mkdir(parents=True, exist_ok=True)
    program = f"from setuptools import build_meta; build_meta.build_wheel({str(target)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=sources, env=_environment(), check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel in a new environment, which has the dependencies of this one; its `crossclear`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    given = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", *given]
    subprocess.run(pip, env=_environment(), check=True, capture_output=True)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    # A path in a .pth file adds the folder, and runs no .pth file in it: no checkout shadows the wheel.
    dependencies = [sysconfig.get_paths()[name] for name in ("purelib", "platlib")]
    (packages / "dependencies.pth").write_text("\n".join(dict.fromkeys(dependencies)) + "\n", encoding="utf-8")
    return folder / "bin" / "crossclear"


def _environment() -> dict[str, str]:
    """Without what would find these sources, or settings of this machine's pip."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("PIP_")}
    return kept | {"PIP_CONFIG_FILE": os.devnull}
