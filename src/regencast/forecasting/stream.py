"""Scoring many designs: chunk by chunk in bounded memory, on one machine or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from regencast.errors import fail
from regencast.forecasting.designs import blank_cells, plain_columns, refuse_twins
from regencast.forecasting.score import COLUMNS, TEXTS, score_designs
from regencast.tasks import run_each
from regencast.training import Forecaster

CHUNK = 10_000


def parquet_chunks(path: Path, size: int = CHUNK) -> Iterator[pd.DataFrame]:
    """Yield the designs of a Parquet file, some thousands at a time, indexed by row from 2.

    Raises
    ------
    FaultyInput
        If the file is not Parquet, or empty, or two columns have one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid):
        raise fail(path, "it is not a Parquet file", "Save it as Parquet, CSV or Excel") from None
    refuse_twins(path, file.schema_arrow.names)
    first, batches = 2, file.iter_batches(batch_size=size)
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowInvalid):
            raise fail(path, "it is damaged", "Save it again") from None
        if batch is None:
            break
        frame = blank_cells(plain_columns(batch))
        frame.index = pd.RangeIndex(first, first + len(frame))
        first += len(frame)
        yield frame.dropna(how="all")
    if first == 2:
        raise fail(path, "there is no design", "Add one row per design")


def score_chunks(
    forecaster: Forecaster,
    chunks: Iterator[pd.DataFrame],
    file: str,
    allow_new: bool = False,
    cluster: str | None = None,
    reasons: bool = True,
) -> Iterator[pd.DataFrame]:
    """Score chunks of designs, in their order.

    Parameters
    ----------
    forecaster : Forecaster
    chunks : iterator of pandas.DataFrame
    file : str
        For the messages.
    allow_new, reasons : bool
        As in `score_designs`.
    cluster : str, optional
        As in `run_each`; the numbers are those of one process.

    Yields
    ------
    pandas.DataFrame
        As `score_designs`; scores as float, all else as text.
    """
    tasks = ((chunk,) for chunk in chunks)
    yield from run_each(
        _typed_scores, (forecaster, file, allow_new, reasons), tasks, cluster=cluster
    )


def _typed_scores(
    forecaster: Forecaster, file: str, allow_new: bool, reasons: bool, chunk: pd.DataFrame
) -> pd.DataFrame:
    scored = score_designs(forecaster, chunk, file, allow_new, reasons)
    numbers = [name for name in COLUMNS if name not in TEXTS]
    scored[numbers] = scored[numbers].astype(float)
    rest = [name for name in scored if name not in numbers]
    scored[rest] = scored[rest].astype(object).where(scored[rest].notna(), None)
    for name in rest:
        scored[name] = scored[name].map(lambda cell: None if cell is None else str(cell))
    return scored
