"""Who calls: what App Service Authentication says of a signed-in caller, which only the platform can say."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import orjson
from pydantic import BaseModel, ValidationError


class Role(IntEnum):
    """App roles; a higher one may do what a lower one may."""

    VIEWER = 1
    OPERATOR = 2
    ENGINEER = 3


@dataclass(frozen=True, slots=True)
class Principal:
    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        return any(mine >= role for mine in self.roles)


class _Claim(BaseModel):
    typ: str
    val: str


class _Claims(BaseModel):
    """The document in X-MS-CLIENT-PRINCIPAL."""

    name_typ: str = "name"
    role_typ: str = "roles"
    claims: list[_Claim] = []

    def of(self, *types: str) -> list[str]:
        return [claim.val for claim in self.claims if claim.typ in types]


def principal(headers: Mapping[str, str]) -> Principal | None:
    """The caller by the platform's headers; None when there is nobody, or nothing readable."""
    text = headers.get("X-MS-CLIENT-PRINCIPAL")
    if not text:
        return None
    try:
        claims = _Claims.model_validate(orjson.loads(base64.b64decode(text)))
    except (binascii.Error, ValueError, ValidationError):
        return None
    names = [
        headers.get("X-MS-CLIENT-PRINCIPAL-NAME"),
        *claims.of("preferred_username", claims.name_typ),
        headers.get("X-MS-CLIENT-PRINCIPAL-ID"),
    ]
    name = next((name for name in names if name), None)
    if name is None:
        return None
    roles = {role.upper() for role in claims.of(claims.role_typ, "roles")}
    return Principal(name, frozenset(Role[role] for role in roles if role in Role.__members__))
