"""The options of a devnet."""

from dataclasses import dataclass
from pathlib import Path

from clearing.base.errors import LocalFault
from devnet.codes import DevnetCode
from devnet.market import Market

FIRST_CHAIN_ID = 31_337


@dataclass(frozen=True, slots=True)
class DevnetOptions:
    """Size and pace of a devnet; checked by `check_options`."""

    output_dir: Path
    validators: int = 4
    chains: int = 2
    members: int = 8
    seed: int = 7
    speed: float = 2880.0
    """Recorded time per wall time: 2880 replays 48 hours in one minute."""
    market: Market | None = None
    """Figures in place of those of `configs/devnet/market.toml`."""
    launcher: tuple[str, ...] = ()
    """What to start nodes by, in place of the command line's own module."""
    demo: bool = False
    """Play the demonstration to its end and judge it, instead of running until interrupted."""
    spare_chain: bool = False
    """Start one chain more that nodes know and the network does not list, with a token and gas for everybody."""
    escape: bool = False
    """End the demonstration by the escape drill: all validators stop for ever, and the vaults pay by exit files."""


def check_options(options: DevnetOptions) -> None:
    """Raises LocalFault naming the option that is out of range."""
    ranges = (
        ("validators", options.validators, 4, 16),
        ("chains", options.chains, 2, 4),
        ("members", options.members, 4, 64),
    )
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise LocalFault(DevnetCode.OPTION_OUT_OF_RANGE, name, value=value, low=low, high=high)
    if not 1 <= options.speed <= 100_000:
        raise LocalFault(DevnetCode.OPTION_OUT_OF_RANGE, "speed", value=str(options.speed), low=1, high=100_000)
