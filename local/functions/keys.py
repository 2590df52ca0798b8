"""Function keys: made once per home, and the rule which key opens which authorization level."""

import base64
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from local.home import Home

type Level = Literal["ANONYMOUS", "FUNCTION", "ADMIN", "SYSTEM"]


@dataclass(frozen=True, slots=True)
class Keys:
    """`master` opens everything, `default` the function level, the third the Event Grid webhook."""

    master: str
    default: str
    eventgrid_extension: str

    @classmethod
    def of(cls, home: Home) -> "Keys":
        """The home's keys; the first host makes them. Hosts that start together agree on one set."""
        path = home.path / "functions-keys.json"
        if not path.exists():
            made = cls(*(base64.urlsafe_b64encode(secrets.token_bytes(40)).decode() for _ in range(3)))
            draft = Path(f"{path}.{os.getpid()}")
            draft.write_text(json.dumps(asdict(made)))
            draft.chmod(0o600)
            # link, unlike rename, never replaces the set another host has just made.
            try:
                os.link(draft, path)
            except FileExistsError:
                return cls.of(home)
            finally:
                draft.unlink()
        return cls(**json.loads(path.read_text()))

    def open(self, level: Level, given: str | None) -> bool:
        """Whether the key given (None: none) is enough for the level."""
        if level == "ANONYMOUS":
            return True
        enough = [self.master]
        if level == "FUNCTION":
            enough.append(self.default)
        if level == "SYSTEM":
            enough.append(self.eventgrid_extension)
        offered = (given or "").encode()
        return any(hmac.compare_digest(key.encode(), offered) for key in enough)
