"""App settings as Core Tools reads them: the process environment over local.settings.json."""

import json
import os
import re
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.functions.worker import AppBroken


def load_local_settings(folder: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Copy `Values` of the folder's local.settings.json to the environment, where they do not exist yet."""
    path = folder / "local.settings.json"
    if not path.exists():
        return
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        values: dict[str, object] = dict(document.get("Values") or {})
    except (ValueError, AttributeError, TypeError) as exc:
        raise AppBroken(f"{path} is not valid: {exc}") from exc
    for name, value in values.items():
        if not isinstance(value, str):
            raise AppBroken(f"{path}: the value of {name!r} must be text, as Core Tools demands")
        environment.setdefault(name, value)


@dataclass(frozen=True, slots=True)
class AppSettings:
    """Lookup of settings and connections. A missing one is an error of the function that names it."""

    environment: MutableMapping[str, str]

    def get(self, name: str) -> str | None:
        """A setting; `:` and `__` mean the same, as in Azure."""
        return self.environment.get(name, self.environment.get(name.replace(":", "__")))

    def expand(self, text: str) -> str:
        """`%NAME%` replaced by the setting NAME.

        >>> AppSettings({"HUB": "telemetry"}).expand("%HUB%-x")
        'telemetry-x'
        """

        def value(match: re.Match[str]) -> str:
            found = self.get(match[1])
            if found is None:
                raise AppBroken(f"'%{match[1]}%' does not resolve to a value.")
            return found

        return re.sub(r"%([^%\s]+)%", value, text)

    def connection(self, name: str, identity_suffix: str) -> str:
        """The connection string in setting `name`. Identity-based connections exist in Azure only."""
        for candidate in (name, f"ConnectionStrings__{name}", f"AzureWebJobs{name}"):
            if found := self.get(candidate):
                return found
        if self.get(f"{name}__{identity_suffix}"):
            raise AppBroken(
                f"The connection {name!r} is identity-based ({name}__{identity_suffix}). No managed "
                f"identities here: set {name} to a connection string of the local service."
            )
        raise AppBroken(
            f"The connection {name!r} is missing: set {name} to a connection string, "
            "in the environment or in local.settings.json."
        )

    def cosmos_connection(self, name: str) -> str:
        """A Cosmos DB connection string, checked for its two parts."""
        found = self.connection(name, "accountEndpoint")
        if not {"AccountEndpoint", "AccountKey"} <= {part.partition("=")[0] for part in found.split(";")}:
            raise AppBroken(
                f"The connection {name!r} is no Cosmos DB connection string: "
                "it looks like AccountEndpoint=...;AccountKey=...;"
            )
        return found

    def disabled(self, function: str) -> bool:
        """Whether `AzureWebJobs.NAME.Disabled` (or its `__` form) says true."""
        for name in (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs__{function}__Disabled"):
            if (self.get(name) or "").lower() in ("true", "1"):
                return True
        return False
