"""Spans and metrics to Application Insights, through Azure Monitor's exporter."""

import os
from types import TracebackType
from typing import Self

from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter
from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from shared import observability

REPORTS_OF_ITSELF = (
    "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
    "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED",
)
"""What the exporter would else tell of its own work, and ask for, elsewhere. It takes no arguments for it."""


class ApplicationInsights:
    """While open, what `shared.observability` records is sent: spans every 5 s, metrics every minute.

    Sent from threads of their own; what cannot be sent is dropped after the exporter's retries and
    never holds up or fails a function. Closing sends the rest. The usual variables of OpenTelemetry
    apply (OTEL_TRACES_SAMPLER, OTEL_METRIC_EXPORT_INTERVAL ...). Unless they say otherwise every trace
    is kept: to follow the caller's decision would lose all, since the Functions host marks its own
    invocations as not sampled.
    """

    def __init__(self, connection: str) -> None:
        """Signs in as APPLICATIONINSIGHTS_AUTHENTICATION_STRING says, which the Functions host heeds too."""
        for name in REPORTS_OF_ITSELF:
            os.environ.setdefault(name, "true")
        # An instance's disk is gone with it: what cannot be sent is not kept there.
        options = {"connection_string": connection, "disable_offline_storage": True}
        resource = Resource.create({SERVICE_NAME: os.environ.get("WEBSITE_SITE_NAME", "millwright")})
        sampler = None if OTEL_TRACES_SAMPLER in os.environ else ALWAYS_ON
        self._tracers = TracerProvider(sampler, resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(BatchSpanProcessor(AzureMonitorTraceExporter(**options)))
        reader = PeriodicExportingMetricReader(AzureMonitorMetricExporter(**options))
        self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)

    def __enter__(self) -> Self:
        observability.use(self._tracers, self._meters)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        observability.use()
        self._tracers.shutdown()
        self._meters.shutdown()
