"""Folders outside the checkout that some tests read: a missing one fails where everything must run and else skips."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def outside(variable: str, default: str, what: str) -> Path:
    """The folder that an environment variable names, else `default` seen from the checkout."""
    folder = Path(os.environ.get(variable) or ROOT / default)
    if not folder.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{what} not found: set {variable}")
        pytest.skip(f"{what} not found: set {variable} to its folder")
    return folder
