"""What a replica counts, in the words of Prometheus: requests, predictions, versions, its process.

Counting is what every request pays for, so it is done with plain counters; everything that can be read when somebody
asks is read then. Labels are few: a path that no route has is `unmatched`, a strange method `other`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from assay_serving import settings
from assay_serving.desk import Answered, Desk
from assay_serving.gate import Traffic, Visit
from assay_serving.served import Served
from assay_serving.shadow import Mirror

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REFUSED = (429, 503)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 32_768, 100_000)
SHADOW = ("asked", "failed", "left_out", "rows", "agreed")
Families = list[Metric]
ByReplica = Mapping[str, Families]


class Metrics:
    """Counts what happens at a desk and at its gate; hand `ended` to `Traffic.watching`."""

    def __init__(self, desk: Desk, traffic: Traffic, mirror: Mirror | None = None) -> None:
        self.replica = "0"
        self.gather: Callable[[Families], Awaitable[ByReplica]] = self._alone  # where there are several replicas
        self._desk = desk
        self._registry = registry = CollectorRegistry()
        by_route, by_version = ("method", "route"), ("model", "version")
        self._requests = Counter(
            "assay_requests", "Requests that were answered.", (*by_route, "status"), registry=registry
        )
        self._refused = Counter(
            "assay_refused_requests", "Requests refused for want of room.", ("status",), registry=registry
        )
        self._seconds = Histogram(
            "assay_request_seconds", "From the request to its answer.", by_route, buckets=SECONDS, registry=registry
        )
        self._answers = Counter(
            "assay_predictions", "Requests answered by a version.", (*by_version, "role"), registry=registry
        )
        self._degraded = Counter(
            "assay_degraded_predictions", "Requests answered without some members.", by_version, registry=registry
        )
        self._rows = Counter("assay_predicted_rows", "Rows that a version answered.", by_version, registry=registry)
        self._call_rows = Histogram(
            "assay_predict_call_rows", "Rows of a predict call.", by_version, buckets=ROWS, registry=registry
        )
        self._call_requests = Histogram(
            "assay_predict_call_requests",
            "Requests of a predict call.",
            by_version,
            buckets=ROWS[:7],
            registry=registry,
        )
        registry.register(_Read(desk, traffic, mirror))
        ProcessCollector(registry=registry)
        desk.watching.append(self.answered)
        desk.calling.append(self.called)

    def ended(self, visit: Visit) -> None:
        """Count a request that is over."""
        method = visit.method if visit.method in METHODS else "other"
        self._requests.labels(method, visit.way.template, str(visit.status)).inc()
        self._seconds.labels(method, visit.way.template).observe(visit.took_s)
        if visit.status in REFUSED:
            self._refused.labels(str(visit.status)).inc()

    def answered(self, found: Answered) -> None:
        """Count a request that a version answered."""
        ref = found.served.ref
        plan = self._desk.routes.plans.get(ref.name)
        is_canary = plan is not None and plan.canary is not None and plan.canary.version == ref.version
        self._answers.labels(ref.name, ref.version, "canary" if is_canary else "champion").inc()
        self._rows.labels(ref.name, ref.version).inc(found.table.num_rows)
        if found.turnout is not None and found.turnout.degraded:
            self._degraded.labels(ref.name, ref.version).inc()

    def called(self, served: Served, num_requests: int, num_rows: int) -> None:
        """Count a predict call; comes from its thread."""
        self._call_rows.labels(served.ref.name, served.ref.version).observe(num_rows)
        self._call_requests.labels(served.ref.name, served.ref.version).observe(num_requests)

    def families(self) -> Families:
        """Return all that was counted here."""
        found = list(self._registry.collect())
        for family in found:
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        return found

    async def told(self, accept: str) -> tuple[bytes, str]:
        """Return what all replicas counted, in the form that the header `Accept` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(_Joined(await self.gather(self.families()))), content_type

    async def _alone(self, families: Families) -> ByReplica:
        return {self.replica: families}


class _Read(Collector):
    """What is read when somebody asks."""

    def __init__(self, desk: Desk, traffic: Traffic, mirror: Mirror | None) -> None:
        self._desk, self._traffic, self._mirror = desk, traffic, mirror

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("assay_requests_in_progress", "Requests inside now.", self._traffic.num_inside)
        yield GaugeMetricFamily(
            "assay_waiting_requests", "Requests waiting for a predict call.", self._desk.num_waiting
        )
        yield GaugeMetricFamily("assay_loaded_versions", "Versions in memory.", self._desk.num_loaded)
        yield _family(
            CounterMetricFamily(
                "assay_model_loads", "Versions read from disk.", labels=("model", "version", "outcome")
            ),
            self._desk.loads.items(),
        )
        compared = {} if self._mirror is None else self._mirror.compared
        for key in SHADOW:
            yield _family(
                CounterMetricFamily(f"assay_shadow_{key}", f"Shadow: {key}.", labels=("model", "version")),
                (((ref.name, ref.version), getattr(one, f"num_{key}")) for ref, one in list(compared.items())),
            )
        build = GaugeMetricFamily("assay_build", "The version of assay.", labels=("assay",))
        yield _family(build, [((settings.PRODUCT_VERSION,), 1)])


def _family(family: Any, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    for labels, value in list(values):
        family.add_metric(labels, value)
    found: Metric = family
    return found


class _Joined(Collector):
    """The families of all replicas, each sample with the label of its replica."""

    def __init__(self, by_replica: ByReplica) -> None:
        self._by_replica = by_replica

    def collect(self) -> Iterator[Metric]:
        joined: dict[str, Metric] = {}
        for replica, families in self._by_replica.items():
            for family in families:
                into = joined.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                into.samples += [one._replace(labels={**one.labels, "replica": replica}) for one in family.samples]
        yield from joined.values()
