"""A table as a compressed CSV file within the page."""

from __future__ import annotations

import base64
import gzip

import pandas as pd

from clvforecast.spreadsheets import as_text

__all__ = ["data_url"]


def data_url(table: pd.DataFrame) -> str:
    """Pack a table into a data: URL of a gzip-compressed CSV file that is safe to open.

    Six significant digits, UTF-8 with the mark that spreadsheets know it by; text that they would
    take for a formula stays text.
    """
    text = as_text(table).to_csv(float_format="%.6g", date_format="%Y-%m-%d", lineterminator="\r\n")
    # mtime=0: the same table makes the same file.
    packed = gzip.compress(text.encode("utf-8-sig"), mtime=0)
    return f"data:application/gzip;base64,{base64.b64encode(packed).decode('ascii')}"
