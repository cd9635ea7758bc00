"""Scoring many designs: chunk by chunk in bounded memory, on one machine or on a Dask cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from regencast.errors import fail
from regencast.forecasting.score import COLUMNS, TEXTS, score_designs
from regencast.training import Forecaster

CHUNK = 10_000
#: Chunks that wait on the cluster, per worker; more would only fill memory.
AHEAD = 2
#: A chunk whose worker died is given to another one so often.
RETRIES = 3


def parquet_chunks(path: Path, size: int = CHUNK) -> Iterator[pd.DataFrame]:
    """Yield the designs of a Parquet file, some thousands at a time, indexed by row from 2.

    Raises
    ------
    FaultyInput
        If the file is not Parquet, or empty.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid):
        raise fail(path, "it is not a Parquet file", "Save it as Parquet, CSV or Excel") from None
    first = 2
    for batch in file.iter_batches(batch_size=size):
        frame = batch.to_pandas()
        frame = frame.astype(object).where(frame.notna(), None).replace({"": None})
        frame.index = pd.RangeIndex(first, first + len(frame))
        first += len(frame)
        yield frame
    if first == 2:
        raise fail(path, "there is no design", "Add one row per design")


def score_chunks(
    forecaster: Forecaster,
    chunks: Iterator[pd.DataFrame],
    file: str,
    allow_new: bool = False,
    cluster: str | None = None,
) -> Iterator[pd.DataFrame]:
    """Score chunks of designs, in their order.

    Parameters
    ----------
    forecaster : Forecaster
    chunks : iterator of pandas.DataFrame
    file : str
        For the messages.
    allow_new : bool, default False
        As in `score_designs`.
    cluster : str, optional
        Address of a Dask scheduler, or ``local`` for a cluster of this machine's cores; the numbers
        are those of one process.

    Yields
    ------
    pandas.DataFrame
        As `score_designs`; scores as float, all else as text.
    """
    if cluster is None:
        for chunk in chunks:
            yield _typed_scores(forecaster, chunk, file, allow_new)
        return
    from dask.distributed import Client, LocalCluster

    try:
        here = (
            LocalCluster(threads_per_worker=1, dashboard_address=None)
            if cluster == "local"
            else None
        )
        client = Client(here or cluster, timeout=20)
    except (OSError, ValueError) as error:
        raise fail(cluster, f"no Dask scheduler answers there ({type(error).__name__})",
                   "Give its address, tcp://HOST:PORT, or `local`") from None  # fmt: skip
    try:
        model = client.scatter(forecaster, broadcast=True)
        waiting: deque[Any] = deque()
        for chunk in chunks:
            waiting.append(
                client.submit(
                    _typed_scores, model, chunk, file, allow_new, retries=RETRIES, pure=False
                )
            )
            if len(waiting) > AHEAD * max(len(client.nthreads()), 1):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        client.close()
        if here:
            here.close()


def _typed_scores(
    forecaster: Forecaster, chunk: pd.DataFrame, file: str, allow_new: bool
) -> pd.DataFrame:
    scored = score_designs(forecaster, chunk, file, allow_new)
    numbers = [name for name in COLUMNS if name not in TEXTS]
    scored[numbers] = scored[numbers].astype(float)
    rest = [name for name in scored if name not in numbers]
    scored[rest] = scored[rest].astype(object).where(scored[rest].notna(), None)
    for name in rest:
        scored[name] = scored[name].map(lambda cell: None if cell is None else str(cell))
    return scored
