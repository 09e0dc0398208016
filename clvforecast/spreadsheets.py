"""Tables that are safe to open in a spreadsheet program.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to a spreadsheet program, and may
open programs and send data away. Whoever can choose the name or id of a customer could put one
there (CWE-1236).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pandas as pd

from clvforecast.errors import DataError, require

__all__ = ["as_text", "risky", "write_workbook"]

_STARTS: Final = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""Some programs take full-width characters, too, and what follows a tab or a line break."""
_MOST_ROWS: Final = 1_048_575
"""Of a sheet, below the heading."""
_ROWS_MEASURED: Final = 100
_WIDEST: Final = 40


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before every text that a spreadsheet program would take for a formula.

    Numbers and days stay as they are, negative ones too.

    Parameters
    ----------
    table : pandas.DataFrame
        Is not changed.

    Returns
    -------
    pandas.DataFrame
        The same table where nothing is risky.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": ["=1+1", "C2"], "change": [-1.5, 2.0]})
    >>> as_text(table)
      customer_id  change
    0       '=1+1    -1.5
    1          C2     2.0
    """
    safe = table
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        found = risky(column)
        if found.any():
            safe = safe.copy(deep=False) if safe is table else safe
            safe.isetitem(place, _marked(column, found).array)
    for axis in ("index", "columns"):
        labels = _labels_as_text(getattr(safe, axis))
        if labels is not None:
            safe = safe.set_axis(labels, axis=axis)
    return safe


def risky(column: pd.Series[Any]) -> pd.Series[bool]:
    """Say which cells are text that a spreadsheet program would take for a formula.

    >>> risky(pd.Series(["@SUM(A1)", "a=b", -1])).tolist()
    [True, False, False]
    """
    if isinstance(column.dtype, pd.StringDtype):
        return column.str.startswith(_STARTS).fillna(False).astype(bool)
    if isinstance(column.dtype, pd.CategoricalDtype):
        labels = pd.Series(column.cat.categories)
        return column.isin(labels[risky(labels)])
    if column.dtype != object:
        return pd.Series(False, index=column.index)
    return column.map(lambda value: isinstance(value, str) and value.startswith(_STARTS)).astype(
        bool
    )


def write_workbook(table: pd.DataFrame, path: Path, *, sheet: str) -> None:
    """Write a table as an Excel workbook in which no cell is a formula.

    Parameters
    ----------
    table : pandas.DataFrame
        Its columns are written, not its index.
    path : Path
    sheet : str
        Name of the only sheet.

    Raises
    ------
    DataError
        If it has more rows than a sheet holds.
    MissingExtra
        If XlsxWriter is not installed.
    """
    if len(table) > _MOST_ROWS:
        raise DataError(
            f"The table has {len(table):,} rows, and a sheet holds {_MOST_ROWS:,}. Write CSV or "
            "Parquet instead."
        )
    require("xlsxwriter", extra="excel", purpose="Writing an Excel workbook")
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "remove_timezone": True,
    }
    with (
        path.open("wb") as file,
        pd.ExcelWriter(
            file,
            engine="xlsxwriter",
            date_format="yyyy-mm-dd",
            datetime_format="yyyy-mm-dd",
            engine_kwargs={"options": options},
        ) as book,
    ):
        table.to_excel(book, sheet_name=sheet, index=False, freeze_panes=(1, 1))
        page = book.sheets[sheet]
        page.autofilter(0, 0, len(table), table.shape[1] - 1)
        for place, name in enumerate(table.columns):
            page.set_column(place, place, _width(str(name), table.iloc[:, place]))


def _labels_as_text(labels: pd.Index[Any]) -> pd.Index[Any] | None:
    """Labels made safe, or None where they are."""
    levels = [pd.Series(labels.get_level_values(level)) for level in range(labels.nlevels)]
    found = [risky(level) for level in levels]
    if not any(one.any() for one in found):
        return None
    texts = [_marked(level, one) for level, one in zip(levels, found, strict=True)]
    marked: pd.Index[Any]
    if labels.nlevels == 1:
        marked = pd.Index(texts[0].to_numpy(), name=labels.name)
    else:
        marked = pd.MultiIndex.from_arrays(texts, names=labels.names)
    return marked


def _marked(column: pd.Series[Any], where: pd.Series[bool]) -> pd.Series[Any]:
    values = column.astype(object)
    return values.mask(where, "'" + values[where].astype(str))


def _width(name: str, column: pd.Series[Any]) -> int:
    cells = (f"{v:.10g}" if isinstance(v, float) else str(v) for v in column.head(_ROWS_MEASURED))
    return min(max(len(name) + 2, *map(len, cells), 0) + 1, _WIDEST)
