"""azure-eventgrid's own tests against the local Event Grid: how many pass, file by file.

    pip download --no-deps --no-binary azure-eventgrid azure-eventgrid==4.22.1
    tar xzf azure_eventgrid-4.22.1.tar.gz
    pip install --target extra "cloudevents<2"
    PYTHONPATH=extra python -m tests.local_cloud.event_grid_sdk_suite azure_eventgrid-4.22.1 [FILE ...]

The tests ship in the package's source. Microsoft's test tools, which hand them topics and credentials and
would replay recordings, are stood in for by the plug-in below: every call is made, over TLS. The credential
is a token as for a managed identity, where a test does not bring a key or a signature of its own. Event Grid
namespaces and partner topics are other services; their tests are left out. `large_data.json` does not
ship; a document of 2 MB takes its place.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copytree

from local.home import Home
from tests.local_cloud.conftest import ServiceProcess
from tests.local_cloud.cosmos.sdk_suite import SETTINGS, Tally, show, tallies
from tests.local_cloud.event_grid_webhook import call

LEFT_OUT_FILES = ("test_eg_consumer_client", "test_dual_client", "test_eg_dual_client")
LEFT_OUT_TESTS = ("namespace", "partner")
"""Files by the beginning of their names, tests by a part of theirs."""

MAPPED = {
    name: {"sourceField": f"custom{name[0].upper()}{name[1:]}"} for name in ("id", "topic", "eventTime")
}
MAPPED |= {
    name: {"sourceField": f"custom{name[0].upper()}{name[1:]}", "defaultValue": ""}
    for name in ("eventType", "subject", "dataVersion")
}
TOPICS = {
    "grid-events": {"inputSchema": "EventGridSchema"},
    "cloud-events": {"inputSchema": "CloudEventSchemaV1_0"},
    "custom-events": {
        "inputSchema": "CustomEventSchema",
        "inputSchemaMapping": {"inputSchemaMappingType": "Json", "properties": MAPPED},
    },
}
"""As the suite's own preparer describes them to Azure Resource Manager."""

PLUGIN = """
import inspect, os, sys, time, types
import pytest
from azure.core.credentials import AccessToken

class Credential:
    def get_token(self, *scopes, **options): return AccessToken("local", int(time.time()) + 3600)

class AsyncCredential:
    async def get_token(self, *scopes, **options): return AccessToken("local", int(time.time()) + 3600)
    async def close(self): pass
    async def __aenter__(self): return self
    async def __aexit__(self, *error): pass

class TestCase:
    def get_credential(self, client_class, is_async=False, **options):
        return AsyncCredential() if is_async or ".aio" in client_class.__module__ else Credential()
    def create_client_from_credential(self, client_class, credential, **options):
        return client_class(credential=credential, **options)

def loader(directory, **defaults):
    values = {name: os.environ.get(name.upper(), value) for name, value in defaults.items()}
    def decorate(test):
        wanted = inspect.signature(test).parameters
        every = any(one.kind is one.VAR_KEYWORD for one in wanted.values())
        given = {name: value for name, value in values.items() if every or name in wanted}
        if inspect.iscoroutinefunction(test):
            async def run(self): return await test(self, **given)
        else:
            def run(self): return test(self, **given)
        run.__name__, run.__doc__ = test.__name__, test.__doc__
        run.pytestmark = getattr(test, "pytestmark", [])
        return run
    return decorate

def nothing(*_, **__): pass

@pytest.fixture(scope="session")
def test_proxy(): pass

def stand_in(name, **members):
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        part = ".".join(parts[:end])
        if part not in sys.modules:
            try:
                __import__(part)
            except ImportError:
                sys.modules[part] = types.ModuleType(part)
                sys.modules[part].__path__ = []
    for member, value in members.items():
        setattr(sys.modules[name], member, value)

sanitizers = {f"add_{name}_sanitizer": nothing for name in
              ("general_string", "body_key", "header_regex", "oauth_response", "body_regex")}
stand_in("devtools_testutils", AzureRecordedTestCase=TestCase, AzureMgmtRecordedTestCase=TestCase,
         EnvironmentVariableLoader=loader, recorded_by_proxy=lambda test: test, test_proxy=test_proxy,
         **sanitizers)
stand_in("devtools_testutils.aio", recorded_by_proxy_async=lambda test: test)
stand_in("devtools_testutils.sanitizers", add_remove_header_sanitizer=nothing,
         add_general_regex_sanitizer=nothing, set_custom_default_matcher=nothing)
Described = types.SimpleNamespace
schemas = Described(cloud_event_schema_v1_0="CloudEventSchemaV1_0", custom_event_schema="CustomEventSchema")
stand_in("azure.mgmt.eventgrid.models", Topic=Described, JsonInputSchemaMapping=Described,
         JsonField=Described, JsonFieldWithDefault=Described, InputSchema=schemas)

def pytest_configure(config):
    config.addinivalue_line("markers", "live_test_only: of the suite")

def pytest_collection_modifyitems(config, items):
    other = [item for item in items if any(part in item.name for part in os.environ["LEFT_OUT"].split(","))]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]
"""


def run(suite: Path, names: list[str]) -> dict[str, Tally]:
    """Outcomes by test file."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        home = Home.at(folder / "home")
        service = ServiceProcess("event-grid", home.path).start()
        try:
            return _tests(suite, names, folder, home, service)
        finally:
            service.stop()


def _tests(
    suite: Path, names: list[str], folder: Path, home: Home, service: ServiceProcess
) -> dict[str, Tally]:
    base = f"http://127.0.0.1:{service.ports['http']}/topics"
    for name, properties in TOPICS.items():
        status, answer = asyncio.run(call("PUT", f"{base}/{name}", {"properties": properties}))
        if status != 201:
            raise RuntimeError(f"the topic {name} was not made: {answer}")
    tests = folder / "tests"
    copytree(suite / "tests", tests)
    (tests / "large_data.json").write_text(json.dumps({"large": "x" * (2 << 20)}))
    (folder / "local_azure.py").write_text(PLUGIN)
    (folder / "pytest.ini").write_text(SETTINGS)
    secure, key = f"https://localhost:{service.ports['https']}/topics", service.endpoints["eventGridKey"]
    variables = {"GRID": "topic", "CLOUD": "cloud_event_topic", "CUSTOM": "custom_event_topic"}
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(tests), os.environ.get("PYTHONPATH", "")]),
        "SSL_CERT_FILE": str(home.ca),
        "REQUESTS_CA_BUNDLE": str(home.ca),
        "LEFT_OUT": ",".join(LEFT_OUT_TESTS),
    }
    for topic, variable in variables.items():
        environment[f"EVENTGRID_{variable.upper()}_ENDPOINT"] = f"{secure}/{topic.lower()}-events/api/events"
        environment[f"EVENTGRID_{variable.upper()}_KEY"] = key
    files = [
        path
        for path in sorted(tests.glob("test_*.py"))
        if path.name in names or (not names and not path.name.startswith(LEFT_OUT_FILES))
    ]
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-v", "-p", "local_azure", "-c", str(folder / "pytest.ini")]
    command += [f"--rootdir={tests}", "--timeout=60", f"--junitxml={report}", "-p", "no:cacheprovider"]
    subprocess.run(
        [*command, *map(str, files)],
        env=environment,
        cwd=tests,
        stdout=None if os.environ.get("SUITE_DEBUG") else subprocess.DEVNULL,
        check=False,
    )
    return tallies(report)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.local_cloud.event_grid_sdk_suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", type=Path, help="the unpacked source package of azure-eventgrid")
    parser.add_argument("files", nargs="*", help="only these files, e.g. test_eg_publisher_client.py")
    options = parser.parse_args()
    total = Tally()
    for name, tally in run(options.suite.absolute(), options.files).items():
        show(name, tally)
        total.add(tally)
    print(
        f"{total.passed} of {total.passed + len(total.failures)} passed, {total.skipped} skipped by the suite"
    )
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
