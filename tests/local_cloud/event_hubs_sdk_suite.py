"""azure-eventhub's own live tests against the local Event Hubs: how many pass.

    pip download --no-deps --no-binary azure-eventhub azure-eventhub==5.15.1
    tar xzf azure_eventhub-5.15.1.tar.gz
    pip install --target extra websocket-client
    PYTHONPATH=extra python -m tests.local_cloud.event_hubs_sdk_suite azure_eventhub-5.15.1 [FILE ...]

The tests ship in the package's source. They make their hubs through Azure Resource Manager and take
credentials from Microsoft's test tools: the plug-in below stands in for both. What needs Microsoft's fault
injector is left out. Ports 5671 and, for web sockets, 443 must be free: with TLS the SDK takes no others.
Outside the project's test suite: it takes many minutes, as most tests sleep, two of them for over 200 s;
each has hubs of its own, so several run at once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from local.home import Home
from tests.local_cloud.conftest import ServiceProcess
from tests.local_cloud.cosmos.sdk_suite import Tally, show, tallies

SECONDS_A_TEST = 420
LEFT_OUT = ("test_faultinjector.py",)
"""It needs the fault injector's program."""

PLUGIN = """
import json, os, sys, time, types, urllib.request
import certifi
certifi.where = lambda: os.environ["LOCAL_CA"]
sys.modules["uamqp"] = None

class Token:
    token = "local"
    def __init__(self): self.expires_on = int(time.time()) + 3600

class Credential:
    def get_token(self, *scopes, **options): return Token()

class AsyncCredential:
    async def get_token(self, *scopes, **options): return Token()
    async def close(self): pass
    async def __aenter__(self): return self
    async def __aexit__(self, *error): pass

class Hubs:
    def create_or_update(self, group, namespace, name, wanted):
        body = json.dumps({"name": name, "partitionCount": wanted["partition_count"]}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(os.environ["LOCAL_CREATE"], body, headers)).close()
        return types.SimpleNamespace(name=name)
    def delete(self, group, namespace, name):
        url = os.environ["LOCAL_CREATE"] + "/" + name
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()

class Namespaces:
    def list_keys(self, *where):
        name, key = "RootManageSharedAccessKey", os.environ["LOCAL_KEY"]
        text = f"Endpoint=sb://localhost/;SharedAccessKeyName={name};SharedAccessKey={key}"
        return types.SimpleNamespace(primary_connection_string=text, key_name=name, primary_key=key)

class EventHubManagementClient:
    def __init__(self, *_, **__): self.event_hubs, self.namespaces = Hubs(), Namespaces()

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

stand_in("azure.mgmt.eventhub", EventHubManagementClient=EventHubManagementClient)
stand_in("azure.eventhub.extensions.checkpointstoreblob", BlobCheckpointStore=object)
stand_in("azure.eventhub.extensions.checkpointstoreblobaio", BlobCheckpointStore=object)
stand_in("dotenv", load_dotenv=lambda: None)
stand_in("devtools_testutils", get_region_override=lambda region: region,
         get_credential=lambda is_async=False, **_: AsyncCredential() if is_async else Credential())

def pytest_configure(config):
    for marker in ("livetest", "no_amqpproxy", "liveTest"):
        config.addinivalue_line("markers", f"{marker}: of the suite")
"""


def run(suite: Path, names: list[str], jobs: int) -> dict[str, Tally]:
    """Outcomes by test file, from `jobs` tests at a time."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder) / "home")
        service = ServiceProcess("event-hubs", home.path)
        service.ports = {"amqp": 0, "amqps": 5671, "wss": 443, "http": 0}
        service.start()
        try:
            return _tests(suite, names, jobs, Path(folder), home, service)
        finally:
            service.stop()


def _tests(
    suite: Path, names: list[str], jobs: int, folder: Path, home: Home, service: ServiceProcess
) -> dict[str, Tally]:
    (folder / "local_azure.py").write_text(PLUGIN)
    files = [
        path
        for path in sorted((suite / "tests/livetest").rglob("test_*.py"))
        if path.name in names or (not names and path.name not in LEFT_OUT)
    ]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(suite / "tests"), os.environ.get("PYTHONPATH", "")]),
        "LOCAL_CA": str(home.ca),
        "LOCAL_CREATE": service.endpoints["eventHubsCreate"],
        "LOCAL_KEY": service.endpoints["eventHubs"].partition("SharedAccessKey=")[2].partition(";")[0],
        "EVENTHUB_RESOURCE_GROUP": "local",
        "AZURE_SUBSCRIPTION_ID": "local",
        "EVENT_HUB_NAMESPACE": "localhost",
        "EVENT_HUB_ENDPOINT_SUFFIX": "",
        "AZURE_STORAGE_ACCOUNT": "local",
    }
    report = folder / "report.xml"
    settings = folder / "pytest.ini"
    settings.write_text("[pytest]\nasyncio_mode = strict\nfilterwarnings =\n    ignore\n")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "local_azure", "-c", str(settings)]
    command += [f"--rootdir={suite / 'tests'}", f"--timeout={SECONDS_A_TEST}", f"--junitxml={report}"]
    command += [f"--numprocesses={jobs}", "--sleep=False", "-p", "no:cacheprovider", *map(str, files)]
    subprocess.run(
        command,
        env=environment,
        cwd=suite / "tests",
        stdout=None if os.environ.get("SUITE_DEBUG") else subprocess.DEVNULL,
        check=False,
    )
    return tallies(report)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=Path, help="the unpacked source package")
    parser.add_argument("files", nargs="*", help="only these files, e.g. test_send.py")
    parser.add_argument("--jobs", type=int, default=6, help="tests at a time (most of them sleep)")
    options = parser.parse_args()
    total = Tally()
    for name, tally in run(options.suite.absolute(), options.files, options.jobs).items():
        show(name, tally)
        total.add(tally)
    print(
        f"{total.passed} of {total.passed + len(total.failures)} passed, {total.skipped} skipped by the suite"
    )
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
