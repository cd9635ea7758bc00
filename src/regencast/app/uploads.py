"""Tables of proposals that come from a browser: read with limits, scored, kept for download."""

from __future__ import annotations

import secrets
import tempfile
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
from openpyxl.utils.exceptions import IllegalCharacterError

from regencast.app.models import Loaded
from regencast.errors import FaultyInput, fail
from regencast.forecasting import design_names, read_designs, score_designs

#: Largest upload, rows of it, and what an Excel file may unpack to.
MOST_BYTES = 2 * 1024**2
MOST_ROWS = 2000
MOST_COLUMNS = 200
MOST_UNPACKED = 40 * 1024**2
KINDS = (".csv", ".xlsx")
#: A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
#: Results kept for download; older ones are forgotten.
KEPT = 20


@dataclass(frozen=True)
class Upload:
    """A scored table.

    Attributes
    ----------
    name : str
        Of the file, as the browser gave it, for show alone.
    names : list of str
        A label for each design.
    table : pandas.DataFrame
        As `score_designs`, best first, faulty rows last; indexed by the file's row.
    called : str
        The model that answered.
    """

    name: str
    names: list[str]
    table: pd.DataFrame
    called: str

    @property
    def faults(self) -> int:
        """Number of rows that could not be scored."""
        return int(self.table["fault"].notna().sum())


def score_upload(model: Loaded, name: str, content: bytes) -> Upload:
    """Score the table of an uploaded file.

    The file is read in a temporary folder under a name of our own, and removed.

    Parameters
    ----------
    model : Loaded
    name : str
    content : bytes

    Raises
    ------
    FaultyInput
        If it is no table of designs within the limits.
    """
    kind = Path(name).suffix.lower()
    if kind not in KINDS:
        raise fail(name, "it is neither CSV nor Excel", "Save it as .csv or .xlsx")
    if kind == ".xlsx":
        _refuse_bomb(name, content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{kind}"
        path.write_bytes(content)
        try:
            frame = read_designs(path)
        except FaultyInput as error:
            # The path of our temporary folder tells the user nothing.
            raise FaultyInput([replace(fault, file=name) for fault in error.faults]) from None
        except Exception:
            raise fail(name, "it cannot be read", "Save it as .csv or .xlsx") from None
    if len(frame) > MOST_ROWS or len(frame.columns) > MOST_COLUMNS:
        raise fail(name, f"it has {len(frame)} rows and {len(frame.columns)} columns",
                   f"Upload at most {MOST_ROWS} rows and {MOST_COLUMNS} columns, or use "
                   "`regencast score`")  # fmt: skip
    labels = pd.Series(design_names(frame, model.forecaster.blend.encoder), frame.index)
    scored = score_designs(model.forecaster, frame, name)
    order = scored["score"].astype(float).sort_values(ascending=False, kind="stable").index
    return Upload(name, labels[order].tolist(), scored.loc[order], model.called)


def _refuse_bomb(name: str, content: bytes) -> None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
    except zipfile.BadZipFile:
        raise fail(name, "it is no Excel file", "Save it as .xlsx again") from None
    if unpacked > MOST_UNPACKED:
        raise fail(name, "it unpacks to more than can be read", "Save the designs alone, as CSV")


def harmless(cell: Any) -> Any:
    """Return a cell that a spreadsheet will not run: a text like a formula gets a quote before it.

    Examples
    --------
    >>> harmless("=1+1"), harmless("-0.2"), harmless("hypoxia"), harmless(-0.2)
    ("'=1+1", '-0.2', 'hypoxia', -0.2)
    """
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def download(table: pd.DataFrame, kind: str) -> bytes:
    """Return a table as ``csv`` or ``xlsx`` with harmless cells and headers.

    Raises
    ------
    FaultyInput
        If Excel cannot hold a cell.
    """
    safe = table.map(harmless).rename(columns=harmless)
    if kind == "csv":
        return safe.to_csv(index=False, lineterminator="\n").encode("utf-8")
    stream = BytesIO()
    try:
        safe.to_excel(stream, index=False, engine="openpyxl")
    except IllegalCharacterError:
        raise fail("the table", "a cell holds a control character", "Download CSV") from None
    return stream.getvalue()


class Results:
    """The newest scored uploads, each under a name that cannot be guessed; held in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = Lock()

    def keep(self, upload: Upload) -> str:
        """Keep a result and return its name."""
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._kept[name] = upload
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return name

    def find(self, name: str) -> Upload | None:
        """Return a result, or None where it was forgotten."""
        with self._lock:
            return self._kept.get(name)
