"""Events and daily quantities of a calendar, from CSV files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clvforecast.calendars.specification import Calendar
from clvforecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["calendar_with_files"]


def calendar_with_files(
    terms: str | None, events: str | None = None, regressors: str | None = None
) -> Calendar:
    """Read a calendar from its short form, and from files what no short form can say.

    Parameters
    ----------
    terms : str, optional
        As `Calendar.of` reads.
    events : str, optional
        Path of a CSV file with the columns `event`, `date` and, if events are longer, `end`.
    regressors : str, optional
        Path of a CSV file whose first column are days, and the others quantities.

    Raises
    ------
    DataError
        If a file cannot be read, or is not such a table.
    """
    table = None if events is None else _read(events)
    known = None if regressors is None else _read(regressors)
    if known is not None:
        known = known.set_index(known.columns[0])
    if terms is None:
        return Calendar(events=table, regressors=known)
    return replace(Calendar.of(terms), events=table, regressors=known)


def _read(path: str) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except OSError as error:
        raise DataError(f"Cannot read {path!r}: {error.strerror}.") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path!r} is no CSV file with a header: {error}.") from error
