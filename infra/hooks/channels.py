"""Says which secrets of notification channels are missing: without them nobody would be told of an alarm.

Reads only their names. Ends well whatever it finds: what is missing can be written at any time.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from azure_cli import Failed, az

BICEP = Path(__file__).parents[1] / "main.bicep"


def named(description: Any) -> Iterator[str]:
    """Every setting that a factory file names, at any depth."""
    if isinstance(description, dict):
        for key, value in description.items():
            if str(key).endswith("_setting"):
                yield str(value)
            else:
                yield from named(value)
    elif isinstance(description, list):
        for one in description:
            yield from named(one)


def app_settings() -> list[str]:
    """The channels' settings that the function app has: the parameter `channelSettings`."""
    found = re.search(r"^param channelSettings string\[\] = (\[.*?\])", BICEP.read_text(), re.M | re.S)
    return json.loads(found[1].replace("'", '"')) if found else []


def remarks(factory: Path, vault: str) -> list[str]:
    """What stands between an alarm and the people. Raises Failed."""
    wanted = sorted(set(named(yaml.safe_load(factory.read_text()))))
    if not wanted:
        return []
    there = set(az("keyvault", "secret", "list", "--vault-name", vault, "--query", "[].name"))
    found = [
        f"{one} is no app setting: add it to channelSettings in infra/main.bicep and provision."
        for one in wanted
        if one not in app_settings()
    ]
    for secret in (one.replace("_", "-") for one in wanted):
        if secret not in there:
            found.append(f"az keyvault secret set --vault-name {vault} --name {secret} --value ...")
    return found


def main() -> int:
    factory = Path(os.environ.get("MILLWRIGHT_FACTORY") or "factories/smart-factory.yaml")
    try:
        found = remarks(factory, os.environ["MILLWRIGHT_KEY_VAULT"])
    except Failed as exc:
        print(f"Whether channels have their secrets could not be asked: {exc}", file=sys.stderr)
        return 0
    if found:
        print(f"WARNING: nobody is told of alarms over some channels of {factory}. Missing:", file=sys.stderr)
        print(*(f"  {one}" for one in found), sep="\n", file=sys.stderr)
        print("Then restart the function app (docs/operations.md, channel-unset).", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
