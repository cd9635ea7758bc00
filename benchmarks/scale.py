"""Throughput, memory and a cluster: scoring many designs with the shipped corpus's model."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from common import ROOT, keep, show
from regencast.corpus import Corpus, read_corpus
from regencast.effects import read_effects
from regencast.forecasting.stream import CHUNK, parquet_chunks, score_chunks
from regencast.training import Forecaster, fit_forecaster, read_experiment, save_forecaster

ENCODED = 1_000_000
ROWS = int(os.environ.get("REGENCAST_ROWS", 10_000_000))
CLUSTER_ROWS = 200_000


def write_designs(corpus: Corpus, path: Path, rows: int) -> None:
    """Write full designs, each field drawn from the values of the corpus."""
    rng = np.random.default_rng(0)
    names = [field.name for field in corpus.schema.design if corpus.frame[field.name].notna().any()]
    values = {name: corpus.frame[name].dropna().to_numpy() for name in names}
    writer = None
    for start in range(0, rows, 100_000):
        count = min(100_000, rows - start)
        drawn = {name: rng.choice(values[name], count) for name in names}
        table = pa.Table.from_pandas(pd.DataFrame(drawn), preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=CHUNK)
    assert writer is not None
    writer.close()


def encoded(forecaster: Forecaster, corpus: Corpus) -> list[tuple]:
    """Time the raw model and the whole forecast on one matrix."""
    X = forecaster.blend.encoder.transform(corpus.frame)
    rng = np.random.default_rng(0)
    X = np.column_stack([column[rng.integers(0, len(X), ENCODED)] for column in X.T])
    taken = {}
    for name, call in (
        ("raw", forecaster.blend.predict_encoded),
        ("whole", forecaster.forecast_encoded),
    ):
        start = time.perf_counter()
        call(X)
        taken[name] = time.perf_counter() - start
    return [
        (f"raw model on {ENCODED:,} encoded designs, s", taken["raw"], ""),
        ("the same with interval and support, s", taken["whole"], ""),
        ("ratio", taken["whole"] / taken["raw"], "1.5"),
    ]


def high_water(process: int) -> float:
    """Return the largest memory of a running process so far, in GiB; zero once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(x.split()[1]) / 1024**2 for x in lines if x.startswith("VmHWM")), 0.0)


def stream(model: Path, corpus: Corpus, folder: Path) -> list[tuple]:
    """Time the command on a Parquet file, and take its largest memory."""
    designs, scores = folder / "designs.parquet", folder / "scores.parquet"
    write_designs(corpus, designs, ROWS)
    program = Path(sys.executable).parent / "regencast"
    start = time.perf_counter()
    peak = 0.0
    command = [program, "score", designs, "-o", scores, "--model", model, "--scores-only"]
    with subprocess.Popen(command) as score:
        while score.poll() is None:
            peak = max(peak, high_water(score.pid))
            time.sleep(0.5)
    assert score.returncode == 0
    taken = time.perf_counter() - start
    assert pq.ParquetFile(scores).metadata.num_rows == ROWS
    return [
        (f"{ROWS:,} rows of Parquet, designs/s", ROWS / taken, ""),
        ("its largest memory, GiB", peak, "2"),
    ]


def cluster(forecaster: Forecaster, corpus: Corpus, folder: Path) -> list[tuple]:
    """Time one process and a two-worker cluster, one worker of which is killed on the way."""
    from dask.distributed import Client, LocalCluster

    path = folder / "few.parquet"
    write_designs(corpus, path, CLUSTER_ROWS)
    start = time.perf_counter()
    one = pd.concat(score_chunks(forecaster, parquet_chunks(path), "few", reasons=False))
    alone = time.perf_counter() - start
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as workers:
        address = workers.scheduler_address
        tables = []
        taken = []
        for kill in (False, True):
            start = time.perf_counter()
            parts = []
            scored = score_chunks(
                forecaster, parquet_chunks(path), "few", cluster=address, reasons=False
            )
            for place, part in enumerate(scored):
                parts.append(part)
                if kill and place == 2:
                    with Client(address) as client:
                        os.kill(next(iter(client.run(os.getpid).values())), 9)
            taken.append(time.perf_counter() - start)
            tables.append(pd.concat(parts))
    same = all(one.equals(table) for table in tables)
    return [
        (f"{CLUSTER_ROWS:,} rows, one process, designs/s", CLUSTER_ROWS / alone, ""),
        ("two workers of a cluster, designs/s", CLUSTER_ROWS / taken[0], ""),
        ("one of them killed on the way, designs/s", CLUSTER_ROWS / taken[1], ""),
        ("the same numbers from all three", str(same), "True"),
    ]


def main() -> None:
    """Measure, print and keep."""
    warnings.filterwarnings("ignore", category=UserWarning)
    corpus = read_corpus(ROOT / "data/corpus")
    effects = read_effects(corpus)
    # A contrast that says nothing of an effect is not learned from, and its levels are not known.
    corpus, effects = (table.take(effects.informative) for table in (corpus, effects))
    experiment = read_experiment(ROOT / "experiments/default.toml")
    forecaster, _ = fit_forecaster(corpus, effects, experiment)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save_forecaster(forecaster, folder / "model")
        rows = encoded(forecaster, corpus) + cluster(forecaster, corpus, folder)
        rows += stream(folder / "model", corpus, folder)
    show("Scale", ("what", "measured", "goal"), rows)
    keep("scale", [dict(zip(("what", "measured", "goal"), row, strict=True)) for row in rows])


if __name__ == "__main__":
    main()
