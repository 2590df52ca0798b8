"""Expressions of alarm rules: a checked program in postfix order -> a function of the machine's state.

| step | operand | leaves |
|---|---|---|
| `number` | its value | a number |
| `signal` | its name | its current value, unknown when there is none or none since the spec's silence |
| `score` | a model | its probability, unknown while it abstains |
| `+ - * /` | 0 | a number |
| `> >= < <=` | deadband | true, false |
| `state`, `reason`, `product` | a word | whether the machine is in it, stopped for it, making it |
| `alarm` | a rule | whether that alarm's condition holds |
| `and or not` | 0 | by Kleene's three values: what is unknown decides nothing |
"""

from collections.abc import Callable
from operator import add, mul, sub
from typing import TYPE_CHECKING

from shared.domain.alarms.life_cycle import ACTIVE
from shared.domain.alarms.rules import Step

if TYPE_CHECKING:
    from shared.domain.state import MachineState

type Value = float | bool | None
type Node = Callable[["MachineState", int, int], Value]
"""(state, at, relaxed) -> value. `relaxed`: 1 where one may miss by its deadband, -1 the other way."""

TRUE, WITHIN_DEADBAND, FALSE = 1.0, 0.5, 0.0


def condition(
    names: tuple[str, ...], silence_ms: int, program: tuple[Step, ...]
) -> Callable[["MachineState", int], float | None]:
    """How true the program is at an instant: TRUE, WITHIN_DEADBAND, FALSE, or None while unknown."""
    root = _compiled(names, silence_ms, program)

    def judge(state: "MachineState", at: int) -> float | None:
        value = root(state, at, 0)
        if value:
            return TRUE
        relaxed = root(state, at, 1)
        if value is None or relaxed is None:
            return None
        return WITHIN_DEADBAND if relaxed else FALSE

    return judge


def holds(
    names: tuple[str, ...], silence_ms: int, program: tuple[Step, ...]
) -> Callable[["MachineState", int], bool]:
    """Whether the program is known to be true at an instant."""
    root = _compiled(names, silence_ms, program)
    return lambda state, at: bool(root(state, at, 0))


def _compiled(names: tuple[str, ...], silence_ms: int, program: tuple[Step, ...]) -> Node:
    stack: list[Node] = []
    for name, operand in program:
        match name:
            case "and" | "or" | "+" | "-" | "*" | "/" | ">" | ">=" | "<" | "<=":
                right = stack.pop()
                stack[-1] = _binary(name, float(operand), stack[-1], right)
            case "not":
                stack[-1] = _not(stack[-1])
            case _:
                stack.append(_leaf(names, silence_ms, name, operand))
    (root,) = stack
    return root


def _leaf(names: tuple[str, ...], silence_ms: int, name: str, operand: str | float) -> Node:
    match name:
        case "number":
            return lambda state, at, relaxed: operand  # pyright: ignore[reportReturnType]  # checked: a number
        case "signal":
            column = names.index(str(operand))
            return lambda state, at, relaxed: (
                state.values[column] if at - state.value_at[column] <= silence_ms else None
            )
        case "score":
            return lambda state, at, relaxed: (
                health.answer if (health := state.health.get(str(operand))) is not None else None
            )
        case "state":
            return lambda state, at, relaxed: state.state.word == operand
        case "reason":
            return lambda state, at, relaxed: state.reason == operand
        case "product":
            return lambda state, at, relaxed: state.product == operand
        case "alarm":
            return lambda state, at, relaxed: (
                (alarm := state.alarms.get(str(operand))) is not None and alarm.state in ACTIVE
            )
        case _:
            raise ValueError(f"an expression has no step {name}")


def _binary(name: str, deadband: float, left: Node, right: Node) -> Node:
    match name:
        case "and":
            return _logical(left, right, decisive=False)
        case "or":
            return _logical(left, right, decisive=True)
        case ">" | ">=" | "<" | "<=":
            return _comparison(name, deadband, left, right)
        case "/":
            return _arithmetic(lambda a, b: a / b if b else None, left, right)
        case _:
            return _arithmetic({"+": add, "-": sub, "*": mul}[name], left, right)


def _logical(left: Node, right: Node, *, decisive: bool) -> Node:
    def node(state: "MachineState", at: int, relaxed: int) -> Value:
        a = left(state, at, relaxed)
        if a is decisive:
            return decisive
        b = right(state, at, relaxed)
        if b is decisive:
            return decisive
        return None if a is None or b is None else not decisive

    return node


def _not(inner: Node) -> Node:
    def node(state: "MachineState", at: int, relaxed: int) -> Value:
        value = inner(state, at, -relaxed)
        return None if value is None else not value

    return node


def _arithmetic(compute: Callable[[float, float], float | None], left: Node, right: Node) -> Node:
    def node(state: "MachineState", at: int, relaxed: int) -> Value:
        a, b = left(state, at, relaxed), right(state, at, relaxed)
        return None if a is None or b is None else compute(a, b)

    return node


def _comparison(name: str, deadband: float, left: Node, right: Node) -> Node:
    low = name[0] == "<"
    equal = name.endswith("=")

    def node(state: "MachineState", at: int, relaxed: int) -> Value:
        a, b = left(state, at, relaxed), right(state, at, relaxed)
        if a is None or b is None:
            return None
        beyond = b - a if low else a - b
        beyond += relaxed * deadband
        return beyond >= 0 if equal else beyond > 0

    return node
