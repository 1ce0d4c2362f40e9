"""The order of messages and challenges of the linear proof, in one place for prover and verifier.

Rule: a challenge is drawn only after everything that must be fixed before it. The last one, μ, binds both openings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proofs.errors import ProofCode, Refused
from proofs.field import ORDER
from proofs.transcript import Transcript


@dataclass(frozen=True)
class FirstChallenges:
    """Drawn after C_D of all accounts and C_m."""

    alpha: int
    y: int
    beta: int


def after_digits(transcript: Transcript, c_d: Sequence[Sequence[bytes]], c_m: bytes) -> FirstChallenges:
    """Round 1: α (lookup), y (rows), β (joins lookup and rows). Raises Refused when α hits the table (2^-247)."""
    for digits in c_d:
        for column in digits:
            transcript.append_encoded_point("C_D", column)
    transcript.append_encoded_point("C_m", c_m)
    alpha, y, beta = (transcript.challenge(label) for label in ("alpha", "y", "beta"))
    if -alpha % ORDER < 256:
        raise Refused(ProofCode.BAD_CHALLENGE, "alpha")
    return FirstChallenges(alpha, y, beta)


def after_lookups(transcript: Transcript, c_f: Sequence[Sequence[bytes]]) -> int:
    """Round 2: δ, whose powers join the accounts and columns."""
    for columns in c_f:
        for column in columns:
            transcript.append_encoded_point("C_f", column)
    return transcript.challenge("delta")


def after_sum(transcript: Transcript, c_s: bytes) -> int:
    """Round 2, end: γ, which joins the running sum to the lookups."""
    transcript.append_encoded_point("C_S", c_s)
    return transcript.challenge("gamma")


def after_quotient(transcript: Transcript, c_t1: bytes, c_t2: bytes) -> int:
    """Round 3: ζ, the evaluation point."""
    transcript.append_encoded_point("C_t1", c_t1)
    transcript.append_encoded_point("C_t2", c_t2)
    return transcript.challenge("zeta")


def after_evaluations(transcript: Transcript, d_bar: Sequence[Sequence[int]], s_bar: int) -> int:
    """Round 4: r, which joins the openings at ζ."""
    for columns in d_bar:
        for value in columns:
            transcript.append_scalar("D(zeta)", value)
    transcript.append_scalar("S(omega zeta)", s_bar)
    return transcript.challenge("r")


def after_openings(transcript: Transcript, pi_1: bytes, pi_2: bytes) -> int:
    """Round 5: μ, which joins the two openings; after both of them."""
    transcript.append_encoded_point("pi_1", pi_1)
    transcript.append_encoded_point("pi_2", pi_2)
    return transcript.challenge("mu")
