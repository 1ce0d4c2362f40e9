"""The small market of the proofs' tests; in a complete run the slow verifier reads along."""

from tests.kit.proofs.small_market import both_verifiers, market, package

__all__ = ["both_verifiers", "market", "package"]
