"""Who calls: App Service Authentication's headers, set by the platform in Azure, by the host here."""

import base64
import json
from collections.abc import Mapping

_PREFIX = "x-ms-client-principal"
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"


def without_principal(headers: Mapping[str, str]) -> dict[str, str]:
    """What a caller sent, minus what only the platform may say."""
    return {name: value for name, value in headers.items() if not name.lower().startswith(_PREFIX)}


def principal_headers(user: str, roles: tuple[str, ...]) -> dict[str, str]:
    """The headers of a signed-in Microsoft Entra user, with the claims document Azure's platform makes."""
    claims = [
        {"typ": f"{_CLAIMS}/nameidentifier", "val": user},
        {"typ": "name", "val": user},
        {"typ": "preferred_username", "val": user},
        *({"typ": "roles", "val": role} for role in roles),
    ]
    document = {
        "auth_typ": "aad",
        "name_typ": f"{_CLAIMS}/name",
        "role_typ": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
        "claims": claims,
    }
    return {
        "x-ms-client-principal": base64.b64encode(json.dumps(document).encode()).decode(),
        "x-ms-client-principal-id": user,
        "x-ms-client-principal-idp": "aad",
        "x-ms-client-principal-name": user,
    }
