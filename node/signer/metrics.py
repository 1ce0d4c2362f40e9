"""What the metrics say of a remote signer: told when they are asked, kept nowhere else.

Rule: reads two values of the signer; a node that signs itself tells that it is connected, so one alarm fits all.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class TellsSilence(Protocol):
    """`RemoteSigner`, as far as it is read here."""

    silences: int

    @property
    def connected(self) -> bool:
        """Whether a signer is at the other end."""
        ...


class SignerCollector(Collector):
    """`signer` is None for a node that signs itself."""

    def __init__(self, signer: TellsSilence | None) -> None:
        self._signer = signer

    def describe(self) -> Iterable[Metric]:
        """The families, so that registering asks nobody."""
        return self._families(connected=True, silences=0)

    def collect(self) -> Iterable[Metric]:
        """The families with their values now."""
        if self._signer is None:
            return self.describe()
        return self._families(connected=self._signer.connected, silences=self._signer.silences)

    def _families(self, *, connected: bool, silences: int) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "crossclear_signer_connected", "1 while votes can be signed", value=1.0 if connected else 0.0
        )
        yield CounterMetricFamily(
            "crossclear_signer_silences", "Signatures that the remote signer did not give in time", value=silences
        )
