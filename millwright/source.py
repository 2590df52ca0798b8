"""YAML text -> plain values, keeping where each of them stands in the file.

Scalars follow YAML 1.2: `14:00` is text, not 840, and `no` is a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

type Path = tuple[str | int, ...]
"""Keys and indexes from the root to a value."""

MAX_VALUES = 2_000_000
"""Aliases can make a small file stand for an endless one."""

MAX_DEPTH = 64

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at a place of the file, and what to do about it."""

    path: Path
    message: str
    remedy: str = ""
    about: str | None = None
    """The name that leads nowhere; it may do so only because what bears it is broken itself."""


@dataclass(frozen=True, slots=True)
class Located:
    """A problem with its line, ready to be read: `file:line: what is wrong; remedy`."""

    file: str
    line: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


class Unreadable(Exception):
    """Not YAML at all; says where."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class Source:
    """A parsed YAML file: `value` is what it says, `line` where it says it."""

    def __init__(self, text: str | bytes) -> None:
        """Raises Unreadable when the text is no YAML document."""
        self._built = 0
        self.duplicates: list[Problem] = []
        try:
            root = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            words = " ".join(part for part in (exc.context, exc.problem) if part)
            line = 0 if mark is None else min(mark.line, len(text.splitlines()) - 1)
            raise Unreadable(line + 1, words) from exc
        except (yaml.YAMLError, UnicodeDecodeError) as exc:
            raise Unreadable(1, str(exc).splitlines()[0]) from exc
        if root is None:
            raise Unreadable(1, "the file is empty")
        self._root = cast(Node, root)
        self.value = self._build(self._root, ())

    def line(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest thing around it that exists."""
        node, line = self._root, _line(self._root)
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            node, line = step
        return line

    def existing(self, path: Path) -> Path:
        """As much of `path` as leads to values; validators add parts that are in no file."""
        node, found = self._root, list[str | int]()
        for part in path:
            step = _step(node, part)
            if step is None:
                continue
            node = step[0]
            found.append(part)
        return tuple(found)

    def _build(self, node: Node, path: Path) -> object:
        self._built += 1
        if self._built > MAX_VALUES:
            raise Unreadable(_line(node), f"more than {MAX_VALUES} values: do aliases repeat each other?")
        if len(path) > MAX_DEPTH:
            raise Unreadable(_line(node), f"nested more than {MAX_DEPTH} deep")
        if isinstance(node, MappingNode):
            values: dict[str, object] = {}
            for key, value in _members(node):
                if key in values:
                    self.duplicates.append(
                        Problem((*path, key), f"key {key!r} stands here a second time", "keep one of them")
                    )
                values[key] = self._build(value, (*path, key))
            return values
        if isinstance(node, SequenceNode):
            return [self._build(cast(Node, item), (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(cast(ScalarNode, node))


_LOADER = cast(type[yaml.SafeLoader], getattr(yaml, "CSafeLoader", yaml.SafeLoader))
"""The C one where the platform has it: ten times as fast, with the same marks."""


def _members(node: MappingNode) -> Iterator[tuple[str, Node]]:
    for key, value in cast(list[tuple[Node, Node]], node.value):
        if not isinstance(key, ScalarNode):
            raise Unreadable(_line(key), "a key must be text")
        yield str(key.value), value


def _step(node: Node, part: str | int) -> tuple[Node, int] | None:
    """The member or element `part` of a node and its line; of a key given twice, the last."""
    if isinstance(node, MappingNode) and isinstance(part, str):
        found = None
        for key, value in cast(list[tuple[ScalarNode, Node]], node.value):
            if key.value == part:
                found = value, _line(key)
        return found
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = cast(Node, node.value[part])
        return item, _line(item)
    return None


def _scalar(node: ScalarNode) -> object:
    text = str(node.value)
    if node.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) and len(text) < 300:
        return int(text)
    if _FLOAT.fullmatch(text) and len(text) < 300:
        return float(text)
    return text


def reads_as_text(text: str) -> bool:
    """Whether the plain scalar `text` is read as that very text, not as a number or another word.

    >>> reads_as_text("14:00"), reads_as_text("1e3"), reads_as_text("no")
    (True, False, True)
    """
    return text not in _WORDS and not _INT.fullmatch(text) and not _FLOAT.fullmatch(text)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
