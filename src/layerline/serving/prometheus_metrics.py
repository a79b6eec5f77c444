"""Metrics for Prometheus at `/metrics`; one registry per server."""

import resource

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 5, 10, 100, 1_000, 10_000, 100_000)


class Metrics:
    """Counters and histograms of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "layerline_requests",
            "Requests answered, by path and status.",
            ["path", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "layerline_predict_seconds",
            "Seconds from a request's headers to its response.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.rows = Histogram(
            "layerline_predict_rows", "Rows per request.", buckets=ROWS, registry=self.registry
        )
        self.in_flight = self._gauge("layerline_in_flight", "Predictions in flight.")
        self.memory = self._gauge("layerline_peak_memory_bytes", "The process's peak memory.")
        self.swaps = self._counter("layerline_model_swaps", "New champions swapped in.")
        self.refused = self._counter("layerline_model_refused", "New champions refused.")
        self.poll_failures = self._counter("layerline_poll_failures", "Failed polls of the alias.")
        self.log_dropped = self._counter("layerline_log_dropped", "Rows that were not logged.")
        self.shadow_rows = self._counter("layerline_shadow_rows", "Rows that the shadow scored.")
        self.shadow_missed = self._counter(
            "layerline_shadow_missed", "Logged rows without the shadow's prediction."
        )
        self.model = Info("layerline_model", "The model being served.", registry=self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self.registry)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        self.memory.set(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return generate_latest(self.registry)
