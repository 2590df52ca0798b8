"""checkov over the Bicep, as prod deploys it: `make scan`. Exit code 1 for a finding, or a file unread.

checkov's parser knows neither typed arrays nor lambdas, takes every condition for its worse case, and
ends with 0 also where it could not read a file. So it gets a copy: types it does not know are
widened, variables it cannot read are emptied, and parameters of prod.json have their values. What is
never so is suppressed in the Bicep, with its reason: `checkov:skip=...`.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parent
BILL = "main.bicep"
"""Makes no resource but the group: it only passes parameters on."""


def choices() -> dict[str, bool | str]:
    """Parameter of a module -> its value in prod."""
    prod = json.loads((INFRA / "environments" / "prod.json").read_text())
    return {
        "privateNetworking": prod["privateNetworking"],
        "zoneRedundant": prod["zoneRedundant"],
        "lock": prod["locks"],
        "purgeProtection": prod["keyVault"]["purgeProtection"],
        "redundancy": prod["archive"]["redundancy"],
    }


def as_prod(bicep: str) -> str:
    """The text with prod's values where a module takes them, and without what checkov cannot read."""
    text = re.sub(r"^(param \w+ )\w+\[\]", r"\1array", bicep, flags=re.MULTILINE)
    text = re.sub(r"^var (\w+) = (?:.+\n)*?.*=>(?:.*\n)+?(?=\n)", r"var \1 = {}\n", text, flags=re.MULTILINE)
    for name, value in choices().items():
        if isinstance(value, bool):
            then = r"\1" if value else r"\2"
            text = re.sub(rf"\b{name} \? (\S+) : (\S+)$", then, text, flags=re.MULTILINE)
        written = f"'{value}'" if isinstance(value, str) else str(value).lower()
        text = re.sub(rf"^( +\w+: ){name}$", rf"\g<1>{written}", text, flags=re.MULTILINE)
    return text


def scan(checkov: list[str]) -> dict[str, Any]:
    """What `checkov`, the command that runs it, finds; as it writes it as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        for path in INFRA.rglob("*.bicep"):
            if path.name != BILL:
                copy = Path(folder) / path.relative_to(INFRA)
                copy.parent.mkdir(exist_ok=True)
                copy.write_text(as_prod(path.read_text()))
        options = ["--framework", "bicep", "--skip-download", "--compact", "--quiet", "--output", "json"]
        ran = subprocess.run(
            [*checkov, "--directory", folder, *options], capture_output=True, text=True, check=False
        )
    if not ran.stdout.strip().startswith("{"):
        sys.exit(f"checkov did not run: {ran.stderr.strip()[-500:]}")
    return json.loads(ran.stdout)


def main() -> int:
    if not sys.argv[1:]:
        sys.exit("usage: python infra/scan.py COMMAND, which runs checkov; or `make scan`")
    found = scan(sys.argv[1:])
    for one in found["results"]["failed_checks"]:
        print(f"{one['file_path']}: {one['resource']}: {one['check_id']} {one['check_name']}")
    told = found["summary"]
    print(
        f"checkov {told['checkov_version']}: {told['passed']} passed, {told['failed']} failed, "
        f"{told['skipped']} skipped with a reason, {told['parsing_errors']} files unread."
    )
    return 1 if told["failed"] or told["parsing_errors"] or not told["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
