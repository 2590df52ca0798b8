"""Every function works within the host's invocation, so that its spans are found from its request."""

import ast
import inspect
import sys
from typing import Any

import azure.functions as func
import pytest

from tests import indexed

FUNCTIONS: dict[str, Any] = {
    one.get_function_name() or "": one.get_user_function() for one in indexed.FUNCTIONS
}
ENTERED = "invocation(context.trace_context.trace_parent)"


def entering(function: Any) -> list[ast.AST]:
    """The `with` statements that enter the invocation: its own, or of what it hands its context to."""
    module = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    named = {one.name: one for one in ast.walk(module) if isinstance(one, ast.AsyncFunctionDef)}
    mine = named[function.__code__.co_name]
    handed = [
        named[call.func.id]
        for call in ast.walk(mine)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in named
        if any(isinstance(given, ast.Name) and given.id == "context" for given in call.args)
    ]
    return [
        one
        for part in (mine, *handed)
        for one in ast.walk(part)
        if isinstance(one, ast.With)
        if any(ast.unparse(item.context_expr) == ENTERED for item in one.items)
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_works_within_the_invocation_of_the_host(name: str) -> None:
    function = FUNCTIONS[name]
    assert inspect.get_annotations(function)["context"] is func.Context
    assert len(entering(function)) == 1
