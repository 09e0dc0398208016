"""The notebooks run from a fresh kernel, and what is committed is what they print."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)(%?)")
MAX_KILOBYTES = 600


def _load_execute():
    spec = importlib.util.spec_from_file_location("execute_notebooks", NOTEBOOKS / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def notebook(request):
    return request.param


def committed(notebook):
    return nbformat.read(notebook, as_version=4)


def code_cells(node):
    return [cell for cell in node.cells if cell.cell_type == "code"]


def texts(cell):
    """What a cell shows as text: its streams and the plain and HTML forms of its results."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.name, output.text
        for kind, content in sorted(output.get("data", {}).items()):
            if kind.startswith("text/"):
                yield kind, content
            else:
                yield kind, ""


def numbers(text):
    """Every number in a text, with the step of its last digit; 17.3% is 0.173."""
    for match, percent in NUMBER.findall(text):
        digits, scale = match.replace(",", ""), 0.01 if percent else 1.0
        yield scale * float(digits), scale * 10.0 ** -len(digits.partition(".")[2])


def assert_same_text(now, before):
    """Words are equal, numbers within one step of their last digit, which may round either way."""
    assert NUMBER.sub("#", now).split() == NUMBER.sub("#", before).split()
    for (value, step), (expected, _) in zip(numbers(now), numbers(before), strict=True):
        assert value == pytest.approx(expected, abs=1.01 * step), (value, expected)


def test_all_notebooks_are_there():
    assert [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == [
        "01_next_year_value",
        "02_predicted_vs_historical",
        "03_uncertainty",
        "04_trust",
        "05_decision",
        "06_seasons_and_channels",
    ]


def test_it_runs_and_says_what_is_committed(notebook, tmp_path):
    copy = shutil.copy(notebook, tmp_path)
    now, before = _load_execute().execute(Path(copy)), committed(notebook)
    for cell, old in zip(code_cells(now), code_cells(before), strict=True):
        shown, expected = list(texts(cell)), list(texts(old))
        assert "stderr" not in dict(shown), dict(shown)["stderr"]
        assert [kind for kind, _ in shown] == [kind for kind, _ in expected], cell.source
        for (_, text), (_, old_text) in zip(shown, expected, strict=True):
            assert_same_text(text, old_text)


def test_it_is_committed_as_it_was_executed(notebook):
    node, file = committed(notebook), notebook.read_text(encoding="utf-8")
    nbformat.validate(node)
    assert node.metadata == _load_execute().METADATA
    assert [c.execution_count for c in code_cells(node)] == [*range(1, len(code_cells(node)) + 1)]
    assert all(not cell.metadata for cell in node.cells)
    assert len(file) < MAX_KILOBYTES * 1000
    assert str(NOTEBOOKS.parent) not in file
    assert str(Path.home()) not in file


def test_every_code_cell_has_its_output(notebook):
    for cell in code_cells(committed(notebook)):
        assert cell.outputs, cell.source


def test_every_number_in_the_words_is_in_an_output(notebook):
    node = committed(notebook)
    shown = "\n".join(
        [text for cell in code_cells(node) for _, text in texts(cell)]
        + [cell.source for cell in code_cells(node)]
    )
    known = np.array([value for value, _ in numbers(shown)])
    for cell in node.cells:
        if cell.cell_type == "markdown":
            words = re.sub(r"\]\([^)]*\)|`[^`]*`", "", cell.source)
            for value, step in numbers(words):
                near = np.abs(known - value).min() <= 0.501 * step
                assert near, f"{value:g} is in no output: {cell.source}"
