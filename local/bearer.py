"""What a bearer token says of itself. There is no Entra ID here, so no signature can be checked."""

import base64
import json
from typing import cast


def claims(token: str) -> dict[str, object]:
    """A JWT's claims; none for any other opaque token.

    >>> claims("e30.eyJhdWQiOiAiaHR0cHM6Ly9ldmVudGdyaWQuYXp1cmUubmV0In0.")
    {'aud': 'https://eventgrid.azure.net'}
    >>> claims("opaque")
    {}
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, object], found) if isinstance(found, dict) else {}
