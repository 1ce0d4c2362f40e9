"""The final headers of a node, made up."""

from clearing.base.header import Header


class OwnHeaders:
    """Implements `bridge.watch.branch.OwnBranch`."""

    def __init__(self) -> None:
        self.headers: dict[int, Header] = {}

    def decide(self, header: Header) -> None:
        """This is its header of the height."""
        self.headers[header.height] = header

    def height(self) -> int:
        return max(self.headers, default=0)

    def header_hash(self, height: int) -> bytes | None:
        found = self.headers.get(height)
        return None if found is None else found.hash
