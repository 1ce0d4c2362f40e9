"""Examples of run files: what the command line computes of them, and figures in it by their path."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "configs/examples"
VERBS = ("margin", "settle", "liquidation", "waterfall")
_NAMES = ("name", "account", "level", "instrument", "collateral")
"""Fields that name the items of a list."""


def figures(result: Any, path: str) -> Any:
    """What stands at a path like `accounts.trader.levels.*.requirement`; `*` is every item, by name if it has one."""
    step, _, rest = path.partition(".")
    if not step:
        return result
    items = result
    if isinstance(result, list):
        items = {next((each[name] for name in _NAMES if name in each), at): each for at, each in enumerate(result)}
    if step == "*":
        found = {name: figures(each, rest) for name, each in items.items()}
        return found if all(isinstance(name, str) for name in found) else list(found.values())
    return figures(result[int(step)] if step.lstrip("-").isdigit() else items[step], rest)


def as_text(found: Any) -> str:
    """As a line of figures says it: items apart by semicolons, each after its name."""
    if isinstance(found, dict):
        return "; ".join(f"{name} {as_text(each)}" for name, each in found.items())
    return "; ".join(map(as_text, found)) if isinstance(found, list) else str(found)
