"""What no line of the product may do: run code that came with data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# Importing them is enough to be refused; `safe` names are told apart by what is called.
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal", "yaml"}
FORBIDDEN_CALLS = {"torch.load", "numpy.load", "np.load", "eval", "exec", "compile", "__import__", "os.system"}


def test_nothing_that_can_run_code_from_data_is_imported(modules: list[Path]) -> None:
    assert [
        f"{file}:{line} {name}" for file in modules for line, name in imported(file) if name in FORBIDDEN_MODULES
    ] == []


def test_nothing_that_can_run_code_from_data_is_called(modules: list[Path]) -> None:
    assert [f"{file}:{line} {name}" for file in modules for line, name in called(file) if name in FORBIDDEN_CALLS] == []


def test_numpy_is_never_allowed_to_unpickle(modules: list[Path]) -> None:
    allowing = [
        f"{file}:{node.value.lineno}"
        for file in modules
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
    ]
    assert allowing == []


def test_no_shell_is_started(modules: list[Path]) -> None:
    shells = [
        f"{file}:{node.value.lineno}"
        for file in modules
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "shell" and ast.unparse(node.value) != "False"
    ]
    assert shells == []


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the top package of each import, with its line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module.partition(".")[0]


def called(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the name of each call as it is written, with its line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)
