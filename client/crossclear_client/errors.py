"""`ClientError`: everything that a client raises, under the network's stable codes.

Rule: a refusal of a node has the node's own code, message, place and remedy. What the client itself refuses has a code
of the same numbering (`docs/reference/rejections.md`). A stranger's text is bounded.
"""

TEXT_CHARS_MAX = 1_000
UNREACHABLE = "R0857"
BAD_ANSWER = "R0858"
BAD_FIELD = "R0940"
NO_FATE = "R0941"
STREAM_LOST = "R0942"
NO_KEY = "R0943"


class ClientError(Exception):
    """`code` is stable; `remedy` says what to do."""

    def __init__(self, code: str, message: str, *, at: str = "", remedy: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" ({at})" if at else ""))
        self.code = code
        self.message = message[:TEXT_CHARS_MAX]
        self.at = at[:TEXT_CHARS_MAX]
        self.remedy = remedy[:TEXT_CHARS_MAX]


class NodeRefused(ClientError):
    """The node refused; `status` is the HTTP status."""

    def __init__(self, code: str, message: str, *, at: str, remedy: str, status: int) -> None:
        super().__init__(code, message, at=at, remedy=remedy)
        self.status = status


class RequestRefused(ClientError):
    """A request that was refused, by the node or in a block; `hash` is its id."""

    def __init__(self, code: str, message: str, *, at: str, remedy: str, hash_: str) -> None:
        super().__init__(code, message, at=at, remedy=remedy)
        self.hash = hash_


class NodeUnreachable(ClientError):
    """No answer, however often it was asked."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(UNREACHABLE, f"no node answers at {url}: {why}", at="url", remedy="Check that it is running.")


class BadAnswer(ClientError):
    """What answers is no node, or answers with too much."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(BAD_ANSWER, f"the answer is not of this API: {why}", at=at, remedy="Check the URL.")


class BadField(ClientError):
    """A field of a request is missing or out of bounds."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(
            BAD_FIELD, why, at=at, remedy="Correct the field: docs/specification/signing.md has the limits."
        )


class NoFate(ClientError):
    """A request's fate was not known within the time to wait. It may still be applied."""

    def __init__(self, hash_: str, seconds: float) -> None:
        super().__init__(
            NO_FATE,
            f"the fate of {hash_} was not known after {seconds:g} s",
            at="hash",
            remedy="Wait on, or send the same bytes again: it is applied once. Do not sign it again.",
        )


class StreamLost(ClientError):
    """A stream could not be taken up again without loss."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(STREAM_LOST, why, at=at, remedy="Read the present state, then follow from there.")


class NoKey(ClientError):
    """A signature is needed, and the client has no key."""

    def __init__(self, at: str) -> None:
        super().__init__(NO_KEY, "this needs a signature, and the client has no key", at=at, remedy="Give it a signer.")
