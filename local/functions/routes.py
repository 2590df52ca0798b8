"""HTTP routes as ASP.NET Core writes them: `machines/{id:int}/{*rest}`; the more exact template wins."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import UUID

from local.functions.worker import AppBroken

type Check = Callable[[str], bool]


def _parses(parse: Callable[[str], object]) -> Check:
    def check(value: str) -> bool:
        try:
            parse(value)
        except (ValueError, OverflowError):
            return False
        return True

    return check


def _int_of(bits: int) -> Check:
    return lambda value: (
        bool(re.fullmatch(r"[+-]?\d+", value)) and -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1)
    )


_PLAIN: Mapping[str, Check] = {
    "int": _int_of(32),
    "long": _int_of(64),
    "guid": _parses(UUID),
    "bool": lambda value: value.lower() in ("true", "false"),
    "decimal": _parses(float),
    "double": _parses(float),
    "float": _parses(float),
    "alpha": lambda value: bool(re.fullmatch("[A-Za-z]*", value)),
    "required": bool,
}
_WITH_NUMBERS: Mapping[str, Callable[[list[int]], Check]] = {
    "length": lambda n: lambda v: n[0] <= len(v) <= n[-1],
    "minlength": lambda n: lambda v: len(v) >= n[0],
    "maxlength": lambda n: lambda v: len(v) <= n[0],
    "min": lambda n: lambda v: _PLAIN["long"](v) and int(v) >= n[0],
    "max": lambda n: lambda v: _PLAIN["long"](v) and int(v) <= n[0],
    "range": lambda n: lambda v: _PLAIN["long"](v) and n[0] <= int(v) <= n[1],
}
_COUNTS: Mapping[str, tuple[int, ...]] = {"length": (1, 2), "range": (2,)}


def _constraint(text: str) -> Check:
    name, _, rest = text.partition("(")
    arguments = rest.removesuffix(")")
    if name == "regex" and arguments:
        pattern = re.compile(arguments, re.IGNORECASE)
        return lambda value: pattern.search(value) is not None
    if not rest and name in _PLAIN:
        return _PLAIN[name]
    numbers = [int(part) for part in arguments.split(",")] if arguments else []
    if name in _WITH_NUMBERS and len(numbers) in _COUNTS.get(name, (1,)):
        return _WITH_NUMBERS[name](numbers)
    raise ValueError(f"the route constraint {text!r} is not known")


@dataclass(frozen=True, slots=True)
class _Segment:
    """A literal, or a parameter with its constraints. kind: 0 literal, 1 checked, 2 any, 3 catch-all."""

    kind: int
    name: str
    checks: tuple[Check, ...] = ()
    optional: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One template. `rank` orders routes: literals before checked before free parameters, as ASP.NET does."""

    template: str
    segments: tuple[_Segment, ...]

    @property
    def rank(self) -> tuple[int, ...]:
        return tuple(segment.kind for segment in self.segments)

    @classmethod
    def parse(cls, template: str, function: str) -> "Route":
        """AppBroken names the function if the template cannot be read."""
        # Braces inside regex constraints are doubled in ASP.NET; they never split a segment.
        parts = re.findall(r"(?:\{(?:[^{}]|\{\{|\}\})*\}|[^/{}])+", template.strip("/"))
        try:
            segments = tuple(_segment(part) for part in parts)
        except (ValueError, TypeError, re.error) as exc:
            raise AppBroken(f"The '{function}' function is in error: route {template!r}: {exc}") from exc
        if any(segment.kind == 3 for segment in segments[:-1]):
            raise AppBroken(
                f"The '{function}' function is in error: route {template!r}: "
                "a catch-all parameter can only be the last segment"
            )
        return cls(template, segments)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters if the raw (percent-encoded) path fits, else None.

        >>> Route.parse("machines/{id:int}/{*rest}", "f").match("machines/7/a/b%20c")
        {'id': '7', 'rest': 'a/b c'}
        """
        values = [unquote(part) for part in path.strip("/").split("/")] if path.strip("/") else []
        found: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if segment.kind == 3:
                value = "/".join(values[index:])
                if not value and not segment.optional and segment.default is None and index > len(values):
                    return None
                if value or segment.default:
                    found[segment.name] = value or segment.default or ""
                return found
            if index >= len(values) or not values[index]:
                if segment.default is not None:
                    found[segment.name] = segment.default
                elif not segment.optional:
                    return None
                continue
            value = values[index]
            if segment.kind == 0:
                if value.lower() != segment.name.lower():
                    return None
            elif not all(check(value) for check in segment.checks):
                return None
            else:
                found[segment.name] = value
        return found if len(values) <= len(self.segments) else None


def _segment(part: str) -> _Segment:
    if not part.startswith("{"):
        if "{" in part:
            raise ValueError("a parameter must fill its whole segment here")
        return _Segment(0, part)
    inner = part[1:-1].replace("{{", "{").replace("}}", "}")
    catch_all = inner.startswith("*")
    inner = inner.lstrip("*")
    optional = inner.endswith("?")
    inner, equals, default = (
        inner.removesuffix("?").partition("=") if "(" not in inner else (inner.removesuffix("?"), "", "")
    )
    name, *constraints = re.split(r":(?![^(]*\))", inner)
    checks = tuple(_constraint(text) for text in constraints)
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"{part!r} is no parameter")
    return _Segment(
        kind=3 if catch_all else 1 if checks else 2,
        name=name,
        checks=checks,
        optional=optional,
        default=default if equals else None,
    )
