"""Law 8: the domain reads no clock, no environment, no random source."""

import ast
from pathlib import Path

import pytest

DOMAIN = Path(__file__).parents[2] / "shared" / "domain"
FORBIDDEN_MODULES = {"asyncio", "logging", "os", "random", "secrets", "socket", "sys", "time", "uuid"}
FORBIDDEN_CALLS = {"now", "today", "utcnow", "monotonic", "urandom", "getenv", "open", "print"}


@pytest.mark.parametrize("path", sorted(DOMAIN.glob("*.py")), ids=lambda path: path.name)
def test_a_domain_module_reads_nothing_but_its_arguments(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & FORBIDDEN_MODULES
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in FORBIDDEN_MODULES
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert name not in FORBIDDEN_CALLS, f"{path.name}:{node.lineno} calls {name}"
