"""The first sheet of an Excel workbook as text, as if it had been saved as CSV."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
from openpyxl import load_workbook
from openpyxl.worksheet.cell_range import CellRange

from regencast.errors import fail

#: Errors of a spreadsheet (#N/A, #REF!, #DIV/0!), and formulas that were never reckoned.
NO_VALUE = re.compile(r"#[A-Z0-9/_]+[!?]?|=.+", re.DOTALL)
#: The cells that one merged range of a sheet covers, as the file tells them.
MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?\bref=["']([A-Z0-9:$]+)["']""")
#: Merged cells that are looked into: beyond, whole columns are merged, and each cell takes memory.
MOST_MERGED = 200_000


def read_sheet(path: Path) -> pd.DataFrame:
    """Return the cells of a workbook's first sheet as text, None where a cell is empty.

    A cell whose formula has no value, for no spreadsheet has reckoned it, holds the formula; one
    with an error holds the error (see `no_value`). Below the header every cell of a merged range
    holds the range's value, as a reader sees it; a row that has no cell of its own stays empty.

    Parameters
    ----------
    path : Path
        ``.xlsx`` or ``.xlsm``.

    Returns
    -------
    pandas.DataFrame
        A row for each row of the sheet, the header among them; columns that are empty throughout
        are left out.

    Raises
    ------
    FaultyInput
        If more cells are merged than a table has.
    """
    books = [load_workbook(path, read_only=True, data_only=values) for values in (True, False)]
    with closing(books[0]), closing(books[1]):
        sheets = [book.worksheets[0] for book in books]
        for sheet in sheets:
            # What a file says of its own size may be wrong.
            sheet.reset_dimensions()
        both = zip(*(sheet.iter_rows() for sheet in sheets), strict=True)
        rows = [[_text(*cells) for cells in zip(*pair, strict=True)] for pair in both]
    cells = pd.DataFrame(rows, dtype=object)
    if _merges(path):
        cells = _filled(cells, path)
    return cells.dropna(axis=1, how="all")


def no_value(cell: object) -> bool:
    """Return whether a cell holds an error of a spreadsheet, or a formula in place of its value.

    Examples
    --------
    >>> [no_value(cell) for cell in ("#N/A", "=10*10", "bone", 10)]
    [True, True, False, False]
    """
    return NO_VALUE.fullmatch(str(cell)) is not None


def _merges(path: Path) -> bool:
    """Return whether any sheet has merged cells, of which a sheet that is streamed says nothing."""
    with ZipFile(path) as parts:
        sheets = [name for name in parts.namelist() if "worksheets/" in name]
        merged = [
            CellRange(ref.decode()) for name in sheets for ref in MERGED.findall(parts.read(name))
        ]
    if sum(one.size["rows"] * one.size["columns"] for one in merged) > MOST_MERGED:
        raise fail(path, "whole columns or rows of it are merged", "Unmerge them")
    return bool(merged)


def _filled(cells: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the cells of the first sheet with the value of each merged range in all its cells."""
    with closing(load_workbook(path)) as book:
        bounds = [merged.bounds for merged in book.worksheets[0].merged_cells.ranges]
    values = cells.to_numpy(dtype=object, copy=True)
    own = cells.notna().any(axis=1).to_numpy()
    for left, top, right, bottom in bounds:
        part = values[top - 1 : bottom, left - 1 : right]
        # What is merged with a header's cell is header, too.
        if top > 1 and part.size:
            part[own[top - 1 : bottom]] = part[0, 0]
    return pd.DataFrame(values, dtype=object)


def _text(shown, written) -> str | None:
    value = shown.value
    # A formula that gives an empty text is typed as text: that cell is empty.
    if value is None and shown.data_type == "n" and written.data_type == "f":
        value = getattr(written.value, "text", written.value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value).strip()
