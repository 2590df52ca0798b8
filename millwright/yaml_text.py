"""Plain values -> YAML that `millwright.source` reads back as the same values, as people would write it."""

from typing import Any, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from millwright.source import reads_as_text

WIDTH = 120
"""Columns; what fits into one line is written as one."""

_DEPTH = 2
"""Collections in collections that are still read at a glance on one line."""

_DUMPER = cast(type[yaml.SafeDumper], getattr(yaml, "CSafeDumper", yaml.SafeDumper))


def yaml_text(value: object) -> str:
    """The value as a YAML document, keys in their order."""
    text = yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=10 * WIDTH)
    return cast(str, text)


class _Writer(_DUMPER):
    """Small collections on one line; words that YAML 1.2 would take for something else in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: _Writer, value: str) -> ScalarNode:
    style = None if reads_as_text(value) else '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _number(writer: _Writer, value: float) -> ScalarNode:
    """30.0 as 30: a reader of quantities takes both for the same."""
    if value.is_integer() and abs(value) < 1e15:
        return writer.represent_scalar("tag:yaml.org,2002:int", str(int(value)))
    return writer.represent_scalar("tag:yaml.org,2002:float", repr(value))


def _mapping(writer: _Writer, value: dict[Any, Any]) -> MappingNode:
    node = writer.represent_mapping("tag:yaml.org,2002:map", value.items())
    node.flow_style = _length(node) <= WIDTH
    return node


def _sequence(writer: _Writer, value: list[Any]) -> SequenceNode:
    node = writer.represent_sequence("tag:yaml.org,2002:seq", value)
    node.flow_style = _length(node) <= WIDTH
    return node


def _length(node: Node, *, depth: int = 0) -> int:
    """Characters on one line, roughly; too many for anything nested beyond reading."""
    if isinstance(node, ScalarNode):
        return len(cast(str, node.value)) + 2
    if depth == _DEPTH:
        return WIDTH + 1
    total = 2
    parts = cast(list[Any], node.value)
    for part in parts:
        for each in cast(tuple[Node, ...], part if isinstance(part, tuple) else (part,)):
            total += _length(each, depth=depth + 1)
            if total > WIDTH:
                return total
    return total


_Writer.add_representer(str, _text)
_Writer.add_representer(float, _number)
_Writer.add_representer(dict, _mapping)
_Writer.add_representer(list, _sequence)
