"""Page "The linear proof", section "Transcript"."""

from tests.vectors.proofs.runner.encoding import P, sha, tagged, word
from tests.vectors.proofs.runner.trace import note


class Transcript:
    """Absorbs and draws."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.state = tagged("crossclear/transcript/v1", sha(protocol.encode()))

    def absorb(self, label: str, kind: str, data: bytes) -> None:
        length = len(data).to_bytes(8, "big")
        self.state = sha(self.state, sha(label.encode()), sha(kind.encode()), length, data)
        if kind != "challenge":
            note("absorb", protocol=self.protocol, label=label, type=kind, data=data, state=self.state)

    def integer(self, label: str, value: int) -> None:
        self.absorb(label, "integer", word(value))

    def scalar(self, label: str, value: int) -> None:
        self.absorb(label, "scalar", word(value))

    def point(self, label: str, data: bytes) -> None:
        self.absorb(label, "point", data)

    def draw(self, label: str) -> int:
        self.absorb(label, "challenge", b"")
        value = int.from_bytes(sha(self.state, b"\x00") + sha(self.state, b"\x01"), "big") % P
        note("draw", protocol=self.protocol, label=label, state=self.state, challenge=value)
        return value

    def fork(self, protocol: str) -> "Transcript":
        other = Transcript(protocol)
        other.absorb("parent", "bytes", self.state)
        return other

    def context(self, protocol: str) -> bytes:
        return word(self.fork(protocol).draw("context"))
