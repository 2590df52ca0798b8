"""The app registration that the API is signed in to: made once, found again by its name.

Its app roles are those of the code (functions/principal.py). It has no secret: the platform only
checks tokens.
"""

import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from azure_cli import Failed, az

ROLES = {
    "viewer": "Read machines, alarms, OEE and histories.",
    "operator": "And acknowledge alarms.",
    "engineer": "And see and replay quarantine, and resume blocked machines.",
}
VARIABLE = "MILLWRIGHT_API_CLIENT_ID"


def app_roles() -> list[dict[str, Any]]:
    """As Microsoft Graph has them; ids stay the same, so that making them twice changes nothing."""
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"millwright/{value}")),
            "allowedMemberTypes": ["User", "Application"],
            "displayName": value.capitalize(),
            "description": description,
            "value": value,
            "isEnabled": True,
        }
        for value, description in ROLES.items()
    ]


def register(name: str) -> str:
    """The client id of the registration `name`. Raises Failed."""
    found = az("ad", "app", "list", "--display-name", name)
    exact = [one for one in found if one["displayName"] == name]
    if exact:
        return exact[0]["appId"]
    made = az(
        "ad", "app", "create", "--display-name", name, "--sign-in-audience", "AzureADMyOrg",
        "--app-roles", json.dumps(app_roles()), "--requested-access-token-version", "2",
    )  # fmt: skip
    client_id: str = made["appId"]
    az("ad", "app", "update", "--id", client_id, "--identifier-uris", f"api://{client_id}")
    az("ad", "sp", "create", "--id", client_id)
    return client_id


def main() -> int:
    """Print the client id; the hook keeps it."""
    known = os.environ.get(VARIABLE)
    if known:
        print(known)
        return 0
    try:
        print(register(f"millwright-{os.environ['AZURE_ENV_NAME']}"))
    except Failed as exc:
        print(
            f"The API's app registration could not be made: {exc}\n"
            "Ask somebody who may register applications for one with the roles viewer, operator and "
            f"engineer, and then: azd env set {VARIABLE} CLIENT_ID",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
