"""azure-digitaltwins-core's own tests against the local Digital Twins: how many pass, file by file.

    pip download --no-deps --no-binary azure-digitaltwins-core azure-digitaltwins-core==1.3.0
    tar xzf azure_digitaltwins_core-1.3.0.tar.gz
    python -m tests.local_cloud.digital_twins.sdk_suite azure_digitaltwins_core-1.3.0 [FILE ...]

The tests ship in the package's source. Microsoft's test tools, which hand them the endpoint and a
credential and would replay recordings, are stood in for by the plug-in below: every call is made, over
TLS. The suite makes models and twins as fast as the service answers, hence the raised instance rates.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copytree

from local.home import Home
from tests.local_cloud.conftest import ServiceProcess
from tests.local_cloud.cosmos.sdk_suite import SETTINGS, Tally, show, tallies

PLUGIN = """
import os, sys, time, types, uuid
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
    is_live = False  # a live run would wait for Azure's indexes
    def get_credential(self, client_class, is_async=False, **options):
        return AsyncCredential() if is_async or ".aio" in client_class.__module__ else Credential()
    def create_client_from_credential(self, client_class, credential, **options):
        return client_class(credential=credential, **options)
    def create_random_name(self, prefix): return prefix + uuid.uuid4().hex[:10]

class Variables(dict):
    def sanitize_batch(self, variables): pass

def nothing(*_, **__): pass

@pytest.fixture(scope="session")
def test_proxy(): pass

@pytest.fixture
def recorded_test(): pass

@pytest.fixture(scope="session")
def environment_variables(): return Variables(os.environ)

def stand_in(name, **members):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
    for member, value in members.items():
        setattr(sys.modules[name], member, value)

sanitizers = ("add_body_key", "add_header_regex", "add_oauth_response", "add_remove_header")
stand_in("devtools_testutils", AzureRecordedTestCase=TestCase, recorded_by_proxy=lambda test: test)
stand_in("devtools_testutils.aio", recorded_by_proxy_async=lambda test: test)
stand_in("devtools_testutils.sanitizers", remove_batch_sanitizers=nothing,
         **{f"{name}_sanitizer": nothing for name in sanitizers})
"""


def run(suite: Path, names: list[str]) -> dict[str, Tally]:
    """Outcomes by test file."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        home = Home.at(folder / "home")
        rates = {"MILLWRIGHT_DIGITAL_TWINS_RATE_FACTOR": "10"}
        service = ServiceProcess("digital-twins", home.path, rates).start()
        try:
            return _tests(suite, names, folder, home, service)
        finally:
            service.stop()


def _tests(
    suite: Path, names: list[str], folder: Path, home: Home, service: ServiceProcess
) -> dict[str, Tally]:
    tests = folder / "tests"
    copytree(suite / "tests", tests)
    (folder / "local_azure.py").write_text(PLUGIN)
    (folder / "pytest.ini").write_text(SETTINGS)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(tests), os.environ.get("PYTHONPATH", "")]),
        "SSL_CERT_FILE": str(home.ca),
        "REQUESTS_CA_BUNDLE": str(home.ca),
        "AZURE_DIGITALTWINS_URL": service.endpoints["digitalTwins"],
    }
    files = [path for path in sorted(tests.glob("test_*.py")) if path.name in names or not names]
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
        prog="python -m tests.local_cloud.digital_twins.sdk_suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", type=Path, help="the unpacked source package of azure-digitaltwins-core")
    parser.add_argument("files", nargs="*", help="only these files, e.g. test_models.py")
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
