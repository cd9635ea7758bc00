"""The first sheet of an Excel workbook as text, as if it had been saved as CSV."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pandas as pd
from openpyxl import load_workbook

#: Errors of a spreadsheet (#N/A, #REF!, #DIV/0!), and formulas that were never reckoned.
NO_VALUE = re.compile(r"#[A-Z0-9/_]+[!?]?|=.+", re.DOTALL)


def read_sheet(path: Path) -> pd.DataFrame:
    """Return the cells of a workbook's first sheet as text, None where a cell is empty.

    A cell whose formula has no value, for no spreadsheet has reckoned it, holds the formula; one
    with an error holds the error (see `no_value`).

    Parameters
    ----------
    path : Path
        ``.xlsx`` or ``.xlsm``.

    Returns
    -------
    pandas.DataFrame
        A row for each row of the sheet, the header among them; columns that are empty throughout
        are left out.
    """
    books = [load_workbook(path, read_only=True, data_only=values) for values in (True, False)]
    with closing(books[0]), closing(books[1]):
        sheets = [book.worksheets[0] for book in books]
        for sheet in sheets:
            # What a file says of its own size may be wrong.
            sheet.reset_dimensions()
        both = zip(*(sheet.iter_rows() for sheet in sheets), strict=True)
        rows = [[_text(*cells) for cells in zip(*pair, strict=True)] for pair in both]
    return pd.DataFrame(rows, dtype=object).dropna(axis=1, how="all")


def no_value(cell: object) -> bool:
    """Return whether a cell holds an error of a spreadsheet, or a formula in place of its value.

    Examples
    --------
    >>> [no_value(cell) for cell in ("#N/A", "=10*10", "bone", 10)]
    [True, True, False, False]
    """
    return NO_VALUE.fullmatch(str(cell)) is not None


def _text(shown, written) -> str | None:
    value = shown.value
    # A formula that gives an empty text is typed as text: that cell is empty.
    if value is None and shown.data_type == "n" and written.data_type == "f":
        value = getattr(written.value, "text", written.value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value).strip()
