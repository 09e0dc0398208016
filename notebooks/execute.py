"""Execute the notebooks of this folder in place, or those named as arguments.

What is written depends on the notebooks and the packages only: no time stamps, no paths, no
version of the kernel. Files that a notebook writes go to a temporary folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(notebook: Path) -> nbformat.NotebookNode:
    """Run a notebook in a fresh kernel and return it with its outputs; the file stays as it is.

    Parameters
    ----------
    notebook : Path
        The ``.ipynb`` file.

    Returns
    -------
    NotebookNode

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    """
    # A first import may build the font cache, and say so on the kernel's stderr.
    import matplotlib.font_manager  # noqa: F401

    node = nbformat.read(notebook, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            node,
            timeout=300,
            kernel_name="python3",
            coalesce_streams=True,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
        ).execute(env=_environment(folder))
    node.metadata = nbformat.from_dict(METADATA)
    for cell in node.cells:
        cell.metadata = nbformat.from_dict({})
    return node


def _environment(folder: str) -> dict[str, str]:
    """Keep out what a user's own IPython profile and plotting backend would change."""
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return {**kept, "IPYTHONDIR": folder}


def main(arguments: list[str]) -> None:
    """Execute and write each notebook, and say how long it took."""
    for notebook in map(Path, arguments) if arguments else sorted(HERE.glob("*.ipynb")):
        started = time.perf_counter()
        node = execute(notebook)
        nbformat.write(node, notebook)
        took, size = time.perf_counter() - started, notebook.stat().st_size / 1000
        print(f"{notebook.name:<32}{took:6.1f} s {size:6.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
