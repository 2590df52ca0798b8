"""Digital twin model identifiers (DTMI) and the rules for their length, version and prefixes."""

import re

_LABEL = "[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?"
_SYSTEM_LABEL = "(?:[A-Za-z]|_+[A-Za-z0-9])(?:[A-Za-z0-9_]*[A-Za-z0-9])?"
_MAJOR = ";[1-9][0-9]{0,8}"
_VERSION = f"(?:{_MAJOR}(?:\\.[1-9][0-9]{{0,5}})?)?"
_DTMI = re.compile(f"dtmi:{_SYSTEM_LABEL}(?::{_SYSTEM_LABEL})*{_VERSION}(?:#(?:{_SYSTEM_LABEL})?)?")
_OWN = {
    2: re.compile(f"dtmi:{_LABEL}(?::{_LABEL})*{_MAJOR}"),
    3: re.compile(f"dtmi:{_LABEL}(?::{_LABEL})*{_VERSION}"),
}
RESERVED_PREFIXES = ("dtmi:dtdl:", "dtmi:standard:")
RESERVED_BY_CONTEXT = {"dtmi:iotcentral:context;2": "dtmi:iotcentral:"}
ID_LIMIT = 2048
"""Characters of any identifier."""
INTERFACE_ID_LIMIT = 128
"""Characters of an Interface's identifier."""


def is_dtmi(text: str) -> bool:
    """Whether `text` is a DTMI of any kind: with or without version, generated segments and fragments too.

    >>> is_dtmi("dtmi:millwright:Machine;1"), is_dtmi("dtmi:1st;1")
    (True, False)
    """
    return _DTMI.fullmatch(text) is not None


def is_own_dtmi(text: str, version: int) -> bool:
    """Whether an author may write `text` as an identifier or reference in this version of DTDL.

    v2 wants a major version, v3 takes none, a major, or a major and a minor one.
    """
    return _OWN[version].fullmatch(text) is not None


def generated_id(parent: str, property_name: str, segment: str | None) -> str:
    """The identifier of an element without one: its parent's, the property and, in a list, its name.

    >>> generated_id("dtmi:ex:Room;1", "contents", "width")
    'dtmi:ex:Room:_contents:__width;1'
    """
    path, semicolon, version = parent.partition(";")
    last = f":__{segment}" if segment is not None else ""
    return f"{path}:_{property_name}{last}{semicolon}{version}"
