"""The shape of the house: source roots, docstrings, sizes, and the floors."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 60


def test_nothing_hides_the_platform_module_of_python(root: Path) -> None:
    hiding = [root / "platform/__init__.py", root / "platform.py", root / "serving/__init__.py"]
    assert [str(path) for path in hiding if path.exists()] == []


def test_python_finds_its_own_platform_module_from_the_root(root: Path) -> None:
    program = "import platform; print(platform.system())"
    said = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.strip() in ("Linux", "Darwin", "Windows")


def test_every_module_begins_with_a_docstring(modules: list[Path]) -> None:
    silent = [str(file) for file in modules if not ast.get_docstring(ast.parse(file.read_text()))]
    assert silent == []


def test_every_public_class_and_function_has_a_docstring(modules: list[Path]) -> None:
    silent = [
        f"{file}:{node.lineno} {node.name}"
        for file in modules
        if not file.stem.startswith("_")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_file_is_too_long_to_read(modules: list[Path]) -> None:
    lines = {str(file): len(file.read_text().splitlines()) for file in modules}
    assert {file: count for file, count in lines.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_too_long_to_read(modules: list[Path]) -> None:
    long = [
        f"{file}:{node.lineno} {node.name}"
        for file in modules
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_file_is_a_drawer_for_anything(modules: list[Path]) -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler"}
    assert [str(file) for file in modules if drawers & {*file.parts, file.stem.strip("_")}] == []


def test_imports_go_down_only(root: Path) -> None:
    checker = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run([checker, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
