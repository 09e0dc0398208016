"""The design's floors: a module imports only from floors strictly below its own."""

import ast
from pathlib import Path

import pytest

import clvforecast

PACKAGE = Path(clvforecast.__file__).parent

FLOORS = {
    "calendars": 0,
    "documents": 0,
    "errors": 0,
    "files": 0,
    "spreadsheets": 0,
    "transfers": 0,
    "units": 0,
    "wording": 0,
    "metrics": 0,
    "numerics": 0,
    "progress": 0,
    "periods": 0,
    "models": 1,
    "transactions": 1,
    "datasets": 2,
    "lifespan": 1,
    "fitting": 2,
    "predictive": 2,
    "historical": 2,
    "states": 2,
    "queries": 2,
    "forecasting": 3,
    "portfolios": 3,
    "comparison": 4,
    "evaluation": 4,
    "decisions": 4,
    "customers": 4,
    "plots": 5,
    "interop": 5,
    "reporting": 6,
    "cli": 7,
}
"""The first part of a module's name below the package, and its floor."""

FOUNDATION = {"errors", "numerics", "units"}
"""What floor 0 may import of itself."""

LAZY = {("models.base", "fitting")}
"""`BGNBD.fit` lives on the class: the one import upwards, inside the method."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(tree: ast.AST) -> set[str]:
    """Names below the package that the code imports when it runs."""
    found = set()
    stack = list(ast.iter_child_nodes(tree))
    while stack:
        node = stack.pop()
        if is_type_checking(node):
            continue
        stack.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {n.removeprefix("clvforecast.") for n in names if n.startswith("clvforecast.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path):
    name = name_of(path)
    home = name.partition(".")[0]
    if not home:
        return
    for imported in imports(ast.parse(path.read_text(encoding="utf-8"))):
        target = imported.partition(".")[0]
        if target not in FLOORS:
            target = clvforecast._HOME[target]
        if target == home or (name, target) in LAZY or (FLOORS[home] == 0 and target in FOUNDATION):
            continue
        assert FLOORS[target] < FLOORS[home], f"{name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_are_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_folders_are_small():
    for folder in {path.parent for path in MODULES} - {PACKAGE}:
        assert len(list(folder.glob("*.py"))) <= 16


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("*.py")), ids=name_of)
def test_models_know_neither_tables_nor_plots(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if is_type_checking(node):
            node.body = []
    named = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    named |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not {n.partition(".")[0] for n in named} & {"pandas", "ibis", "matplotlib"}
