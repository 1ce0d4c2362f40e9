"""What the state holds of the exit tree: its root. The leaves are a function of the state that the epoch closed at."""

from clearing.base.codec import U63, Bytes32, Wire


class ExitHeld(Wire, frozen=True):
    """The newest closed epoch's tree."""

    epoch: U63
    height: U63
    leaves: U63
    root: Bytes32
