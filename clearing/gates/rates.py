"""Rate limits: how much of an asset leaves in a window of blocks, of one owner and of all, and what has to wait.

Rule: windows are counted in blocks, so that nobody can stretch one; an owner is whoever's key signs for the money, so
that accounts of one hand count together. What is taken back in the same window counts no more. It moves no money.
"""

import msgspec

from clearing.assets import Asset
from clearing.base.errors import Rejected
from clearing.base.units import MONEY_MAX
from clearing.codes import ClearingCode, reject
from clearing.gates.records import GateUsed
from clearing.gates.terms import AssetGate
from clearing.run import Run


def gate_of(run: Run, asset: int) -> AssetGate | None:
    """The limits on an asset, where genesis has any."""
    return next((each for each in run.terms.genesis.crisis.gates.assets if each.asset == asset), None)


def window_of(run: Run) -> int:
    """The number of the window that this block is in."""
    return run.block.height // run.terms.market.epoch_blocks


def used_in(window: int, used: GateUsed | None) -> GateUsed:
    """A record as far as it is of this window."""
    return used if used is not None and used.window == window else GateUsed(window, 0)


def used_by_owner(run: Run, asset: int, owner: bytes) -> GateUsed:
    """What an owner withdrew of an asset in this window."""
    return used_in(window_of(run), run.state.gate_owners.get((asset, owner)))


def used_by_all(run: Run, asset: int) -> GateUsed:
    """What all withdrew of an asset in this window."""
    return used_in(window_of(run), run.state.gate_totals.get(asset))


def in_genesis_units(run: Run, asset: Asset, units: int) -> int:
    """Limits are in the units of genesis, also for a token that left its group and has coarser ones."""
    return units * (asset.base_units // run.terms.assets[asset.id].base_units)


def check_rate(run: Run, at: str, gate: AssetGate, owner: bytes, units: int) -> Rejected | None:
    """Whether `units` more may be withdrawn in this window."""
    rules = (
        ("owner", gate.owner_units_max, used_by_owner(run, gate.asset, owner).units),
        ("all", gate.window_units_max, used_by_all(run, gate.asset).units),
    )
    for of, limit, used in rules:
        if limit and used + units > limit:
            opens = (window_of(run) + 1) * run.terms.market.epoch_blocks
            return reject(
                ClearingCode.RATE_LIMIT, at, of=of, asset=gate.asset, units=units, used=used, limit=limit, opens=opens
            )
    return None


def must_wait(run: Run, gate: AssetGate, owner: bytes, units: int) -> bool:
    """Whether these units would lift what the owner withdrew without delay above the threshold."""
    if not gate.delay_blocks:
        return False
    return used_by_owner(run, gate.asset, owner).prompt_units + units > gate.delay_above_units


def note_use(run: Run, gate: AssetGate, owner: bytes, units: int, *, prompt: bool) -> None:
    """Count a withdrawal that was accepted."""
    own, whole = used_by_owner(run, gate.asset, owner), used_by_all(run, gate.asset)
    prompt_units = own.prompt_units + (units if prompt else 0)
    counted = GateUsed(own.window, min(own.units + units, MONEY_MAX), min(prompt_units, MONEY_MAX))
    run.state.gate_owners.put((gate.asset, owner), counted)
    run.state.gate_totals.put(gate.asset, GateUsed(whole.window, min(whole.units + units, MONEY_MAX)))


def forget_use(run: Run, gate: AssetGate, owner: bytes, units: int, window: int) -> None:
    """Count no more what was accepted in `window` and is taken back, while that window lasts."""
    if window != window_of(run):
        return
    own, whole = used_by_owner(run, gate.asset, owner), used_by_all(run, gate.asset)
    run.state.gate_owners.put((gate.asset, owner), msgspec.structs.replace(own, units=max(own.units - units, 0)))
    run.state.gate_totals.put(gate.asset, msgspec.structs.replace(whole, units=max(whole.units - units, 0)))


def forget_windows(run: Run) -> None:
    """At the start of a window drop what owners used in those before."""
    if run.block.height % run.terms.market.epoch_blocks:
        return
    window = window_of(run)
    for key in [key for key, used in run.state.gate_owners.ordered() if used.window != window]:
        run.state.gate_owners.remove(key)
