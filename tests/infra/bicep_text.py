"""Bicep as text, cut into its declarations: enough to hold it to the code, without a compiler.

The files are formatted: what is declared at the top begins in column 0 and ends with a brace there.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"

_BEGIN = re.compile(r"^(resource|module) (\w+) '([^']+)'( existing)? =", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Declared:
    file: str
    kind: str
    symbol: str
    of: str
    """Type and version of a resource, path of a module."""
    existing: bool
    body: str

    @property
    def type(self) -> str:
        return self.of.partition("@")[0]


def declared(path: Path) -> list[Declared]:
    """Resources and modules of a file, nested ones inside the body of theirs."""
    text = path.read_text()
    found: list[Declared] = []
    for begin in _BEGIN.finditer(text):
        end = re.compile(r"^[}\]]", re.MULTILINE).search(text, begin.end())
        assert end is not None, f"{path.name}: {begin[2]} has no end"
        body = text[begin.start() : end.end()]
        found.append(Declared(path.name, begin[1], begin[2], begin[3], begin[4] is not None, body))
    return found


def everything() -> list[Declared]:
    return [one for path in sorted(INFRA.rglob("*.bicep")) for one in declared(path)]


def made() -> list[Declared]:
    """Every resource that the deployment makes."""
    return [one for one in everything() if one.kind == "resource" and not one.existing]


def variable(path: Path, name: str) -> str:
    """The text of a top-level `var`."""
    text = path.read_text()
    begin = re.search(rf"^var {name} = ", text, re.MULTILINE)
    assert begin is not None, f"{path.name} has no var {name}"
    end = re.compile(r"^(?=var |resource |module |param |output |//|@|$)", re.MULTILINE).search(
        text, begin.end()
    )
    return text[begin.end() : end.start() if end else None]


def keys(text: str) -> set[str]:
    """The property names in a text."""
    return set(re.findall(r"^\s+'?([\w-]+)'?: ", text, re.MULTILINE))
