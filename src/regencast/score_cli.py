"""The command that scores proposed designs; heavy imports stand inside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from regencast.console import (
    PATH,
    guarded,
    may_write_table,
    say_misspelt,
    say_replaced,
    write_chunks,
    write_table,
)
from regencast.errors import RegencastError, UsageError, fail


@click.command()
@click.argument("designs", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="CSV, Parquet or Excel to write.")
@click.option("--model", help="Folder, MLflow run or models:/NAME@alias; else the champion.")
@click.option("--allow-new", is_flag=True, help="Forecast unknown levels, as extrapolating.")
@click.option("--precedents", "near", type=PATH, help="Write the nearest studies to this file.")
@click.option("--corpus", "package", type=PATH, default=Path("data/corpus"), show_default=True)
@click.option("--scores-only", is_flag=True, help="No reasons, no nearest studies; far faster.")
@click.option("--cluster", help="Dask scheduler's address, or `local`; Parquet designs only.")
@click.option("--force", is_flag=True, help="Overwrite the files.")
@guarded
def score(
    designs: Path,
    output: Path,
    model: str | None,
    allow_new: bool,
    near: Path | None,
    package: Path,
    scores_only: bool,
    cluster: str | None,
    force: bool,
) -> None:
    """Score the proposed DESIGNS; exit 1 if any row had a fault."""
    from regencast.forecasting import misspelt_columns, read_designs, score_designs
    from regencast.forecasting.score import COLUMNS
    from regencast.reporting import load_model

    may_write_table(output, force)
    if near:
        may_write_table(near, force)
        if near.resolve() == output.resolve():
            raise UsageError("--precedents and --output name the same file; name two")
    if cluster and designs.suffix != ".parquet":
        raise UsageError("--cluster scores Parquet files; save the designs as Parquet")
    if designs.suffix == ".parquet" and near is None and output.suffix in (".parquet", ".csv"):
        _score_stream(load_model(model), designs, output, allow_new, cluster, not scores_only)
        return
    frame = read_designs(designs)
    forecaster = load_model(model)
    scored = score_designs(forecaster, frame, str(designs), allow_new, not scores_only)
    say_misspelt(misspelt_columns(frame, forecaster.blend.encoder), designs)
    say_replaced(frame, COLUMNS, designs)
    faults = scored["fault"].dropna()
    if len(faults) == len(scored):
        raise RegencastError("\n".join(faults))
    if near:
        good = frame[scored["fault"].isna()]
        write_table(_nearest(forecaster, package, good, str(designs)), near)
    write_table(scored, output)
    if len(faults):
        raise RegencastError("\n".join(faults))


def _score_stream(
    forecaster: Any,
    designs: Path,
    output: Path,
    allow_new: bool,
    cluster: str | None,
    reasons: bool,
) -> None:
    """Score a Parquet file in bounded memory; faults are counted and the first ones shown."""
    from regencast.forecasting import misspelt_columns
    from regencast.forecasting.score import COLUMNS
    from regencast.forecasting.stream import parquet_chunks, score_chunks

    faults: list[str] = []
    count = 0

    def told_columns(chunks: Iterator[Any]) -> Iterator[Any]:
        for place, chunk in enumerate(chunks):
            if place == 0:
                say_misspelt(misspelt_columns(chunk, forecaster.blend.encoder), designs)
                say_replaced(chunk, COLUMNS, designs)
            yield chunk

    def watched() -> Iterator[Any]:
        nonlocal count
        chunks = told_columns(parquet_chunks(designs))
        for table in score_chunks(forecaster, chunks, str(designs), allow_new, cluster, reasons):
            found = table["fault"].dropna()
            count += len(found)
            faults.extend(found[: max(10 - len(faults), 0)])
            yield table

    write_chunks(watched(), output)
    if count:
        raise RegencastError("\n".join([*faults, f"{count} designs have a fault in all"]))


def _nearest(forecaster: Any, package: Path, frame: Any, file: str) -> Any:
    from regencast.corpus import read_corpus
    from regencast.effects import read_effects
    from regencast.forecasting import check_designs, design_names, precedents, understand

    corpus = read_corpus(package)
    if corpus.digest != forecaster.digest:
        raise fail(package, "it is not the corpus that the model learned from", "Name that corpus")
    encoder = forecaster.blend.encoder
    meant, _ = understand(frame, encoder, forecaster.synonyms)
    typed, _ = check_designs(meant, encoder, file, allow_new=True)
    return precedents(forecaster, corpus, read_effects(corpus), typed, design_names(frame, encoder))
