"""Prometheus families of the streams of the API, read from their counts when scraped."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from node.ops.stream_counts import DELAY_SECONDS, EVENTS, SOCKET, StreamCounts

_API = "crossclear_api_"


class StreamCollector(Collector):
    """One node's; `counts` None has the families and no values, as the reference needs."""

    def __init__(self, counts: StreamCounts | None) -> None:
        self._counts = counts

    def describe(self) -> Iterable[Metric]:
        """The families, so that registering does not need a running API."""
        return self._families(StreamCounts())

    def collect(self) -> Iterable[Metric]:
        """The families with their values now."""
        return self.describe() if self._counts is None else self._families(self._counts)

    def _families(self, counts: StreamCounts) -> Iterator[Metric]:
        both = (EVENTS, SOCKET)
        yield _labelled(
            GaugeMetricFamily(_API + "streams", "Open streams, by kind of connection", labels=("kind",)),
            {kind: counts.open[kind] for kind in both},
        )
        yield _labelled(
            CounterMetricFamily(_API + "stream_frames", "Frames sent on streams", labels=("kind",)),
            {kind: counts.frames[kind] for kind in both},
        )
        yield _labelled(
            CounterMetricFamily(
                _API + "streams_ended", "Streams that ended, by reason: left, failed or a code", labels=("reason",)
            ),
            counts.ended,
        )
        yield _labelled(
            CounterMetricFamily(
                _API + "streams_refused", "Streams refused for want of room or for their cursor", labels=("code",)
            ),
            counts.refused,
        )
        yield CounterMetricFamily(
            _API + "stream_values_skipped", "Values left out for readers who were late", value=counts.skipped
        )
        yield GaugeMetricFamily(
            _API + "stream_lag_blocks", "Blocks that the slowest stream is behind the newest", value=counts.lag()
        )
        bounds = (*map(str, DELAY_SECONDS), "+Inf")
        yield HistogramMetricFamily(
            _API + "stream_delay_seconds",
            "Time from the decision of a block until a stream has handed on its events",
            buckets=list(zip(bounds, accumulate(counts.delays), strict=True)),
            sum_value=counts.delay_seconds,
        )


def _labelled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]) -> Metric:
    for label, value in sorted(values.items()):
        family.add_metric((label,), value)
    return family
