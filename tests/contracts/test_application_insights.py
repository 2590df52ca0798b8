"""The exporter as in Azure, against an address that takes what Application Insights takes."""

import logging

import pytest

from shared import observability
from shared.adapters.application_insights import ApplicationInsights
from tests.ingestion import KEY, ingestion


def test_closing_sends_spans_and_metrics_as_alerts_ask_for_them(caplog: pytest.LogCaptureFixture) -> None:
    host = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    with ingestion() as (connection, arrived):
        with ApplicationInsights(connection):
            with observability.invocation(host), observability.span("ingest", {"millwright.source": "t/1/0"}):
                inside = observability.traceparent()
            observability.metrics().readings.add(300)
            observability.metrics().readings.add(12)
            observability.metrics().lag.record(1.25)
            observability.metrics().relay_lag.record(2.5, {"relay": "twins"})
        assert observability.traceparent() is None
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert {item["iKey"] for item in arrived} == {KEY}
    [span] = [item for item in arrived if item["data"]["baseType"] == "RemoteDependencyData"]
    assert span["tags"]["ai.operation.id"] == host.split("-")[1]
    assert span["tags"]["ai.operation.parentId"] == host.split("-")[2]
    assert span["data"]["baseData"]["name"] == "ingest"
    assert span["data"]["baseData"]["id"] == (inside or "").split("-")[2]
    points = [
        (metric["name"], metric["value"], item["data"]["baseData"].get("properties", {}).get("relay"))
        for item in arrived
        if item["data"]["baseType"] == "MetricData"
        for metric in item["data"]["baseData"]["metrics"]
    ]
    assert sorted(points, key=str) == [
        ("millwright.lag", 1.25, None),
        ("millwright.readings", 312, None),
        ("millwright.relay.lag", 2.5, "twins"),
    ]
