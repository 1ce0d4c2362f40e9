"""`HeightContext`: what every height of one replica shares, from the application to the timeouts.

Rule: data only, made once by the replica. It must not know which height runs.
"""

from dataclasses import dataclass

from consensus.application import Application
from consensus.blocks.admission import Admission
from consensus.blocks.executor import BlockExecutor
from consensus.core.adaptive_timeouts import AdaptiveTimeouts
from consensus.evidence.judge import EvidencePool
from consensus.links import Links
from consensus.outputs import Clock
from consensus.signing import CertificateCache, Signer, Verifier


@dataclass(frozen=True, slots=True)
class HeightContext:
    """What every height uses."""

    application: Application
    executor: BlockExecutor
    admission: Admission
    verifier: Verifier
    certificates: CertificateCache
    signer: Signer
    clock: Clock
    timeouts: AdaptiveTimeouts
    evidence: EvidencePool
    links: Links
