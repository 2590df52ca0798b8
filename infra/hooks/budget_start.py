"""The month that the budget begins in: Azure lets nobody change it afterwards, so an old one is kept.

Prints it as a date; nothing where there is no budget to make. The hook keeps it.
"""

import datetime
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from azure_cli import Failed, ask, az
from names import ABBREVIATIONS

VERSION = "2024-08-01"


def budget_start(environment: Mapping[str, str], today: datetime.date) -> str:
    """First day of the month: the existing budget's, else this one's; empty without a budget."""
    if (environment.get("MILLWRIGHT_MONTHLY_BUDGET") or "0") == "0":
        return ""
    name, short = environment["AZURE_ENV_NAME"], json.loads(ABBREVIATIONS.read_text())
    subscription = environment.get("AZURE_SUBSCRIPTION_ID") or az("account", "show")["id"]
    group = f"/subscriptions/{subscription}/resourceGroups/{short['resourceGroup']}{name}"
    try:
        budget = f"{group}/providers/Microsoft.Consumption/budgets/{short['budget']}{name}"
        found = ask("get", budget, VERSION)
    except Failed as exc:
        if "NotFound" not in str(exc) and "404" not in str(exc):
            raise
        return today.replace(day=1).isoformat()
    return found["properties"]["timePeriod"]["startDate"][:10]


def main() -> int:
    try:
        print(budget_start(os.environ, datetime.datetime.now(datetime.UTC).date()))
    except Failed as exc:
        print(f"Whether there is a budget could not be asked: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
