"""A training run from start to registered champion, in MLflow."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, read_corpus
from regencast.effects import Effects, read_effects
from regencast.errors import fail
from regencast.forecasting import TEXTS, score_designs
from regencast.reporting.example import shown_designs
from regencast.reporting.report import write_report
from regencast.reporting.store import CHAMPION, MODEL, choose_experiment, tracking
from regencast.training import (
    Experiment,
    Forecaster,
    cross_validate,
    fit_forecaster,
    judge,
    save_forecaster,
    skill,
    study_folds,
)
from regencast.training.prior import prior_estimates


def run_training(
    experiment: Experiment,
    package: Path,
    output: Path | None = None,
    progress: Callable[[], None] = lambda: None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Validate, train, explain, report, log and register.

    Parameters
    ----------
    experiment : Experiment
    package : Path
    output : Path, optional
        Folder for a copy of report, plots and tables.
    progress : callable
        Called after each outer fold and each resample of studies.
    cluster : str, optional
        As in `run_each`: where folds and resamples are computed.

    Returns
    -------
    dict
        run_id, verdict, metrics, model (its address) and the fitted weights.

    Raises
    ------
    FaultyInput
        If the corpus is faulty or cannot teach a model; or, before anything is computed, if
        ``output`` cannot be filled or the experiment was deleted in MLflow.
    """
    # Plots need libraries that take a while to load, and only training draws any here.
    from regencast.explaining import draw_coverage, draw_observed, draw_reliability, explain

    if output:
        _may_fill(output)
    corpus = read_corpus(package)
    effects = read_effects(corpus)
    mlflow = tracking()
    choose_experiment(mlflow, experiment.name)
    folds = study_folds(corpus.studies, experiment.outer_folds, experiment.seed)
    table = cross_validate(corpus, experiment, folds, progress=progress, cluster=cluster)
    metrics = skill(table)
    forecaster, candidates = fit_forecaster(corpus, effects, experiment)
    verdict = judge(table, experiment.seed, forecaster.blend.departs).sentence
    forecaster = replace(forecaster, verdict=verdict)
    tags = {"verdict": verdict, "corpus_digest": corpus.digest}
    with tempfile.TemporaryDirectory() as scratch:
        # A temporary folder is closed to others; what is copied from it must not be.
        folder = Path(scratch) / "run"
        folder.mkdir()
        with mlflow.start_run(tags=tags) as run:
            facts = _facts(experiment, corpus, effects, metrics)
            facts |= {"run_id": run.info.run_id, "verdict": verdict}
            _log_numbers(mlflow, experiment, facts, candidates)
            designs, names, facts["designs"] = shown_designs(forecaster, corpus)
            _write_files(folder, facts, table, candidates)
            place, resamples = folder / "explain", experiment.resamples
            explain(
                forecaster, corpus, effects, designs, names, place, resamples,
                progress=progress, cluster=cluster,
            )  # fmt: skip
            for draw in (draw_observed, draw_reliability, draw_coverage):
                draw(table, place / f"{draw.__name__.removeprefix('draw_')}.png")
            write_report(folder, folder / "report.html")
            mlflow.log_artifacts(str(folder))
            model = Path(scratch) / "model"
            save_forecaster(forecaster, model)
            _log_model(mlflow, model, forecaster, designs)
        # The copy comes last: a full disk must not cost the model.
        if output:
            _copy(folder, output)
    return {
        "run_id": run.info.run_id,
        "verdict": verdict,
        "metrics": metrics,
        "model": CHAMPION,
        "weights": dict(zip(candidates["candidate"], candidates["weight"], strict=True)),
    }


def _may_fill(output: Path) -> None:
    """Refuse a folder that cannot be made or written to."""
    nearest = next(place for place in (output, *output.parents) if place.exists())
    if not nearest.is_dir():
        raise fail(nearest, "it is a file", "Name a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise fail(nearest, "you may not write to this folder", "Name another")


def _copy(folder: Path, output: Path) -> None:
    """Copy a run's files, and remove the plots of an earlier run that this one has not."""
    from regencast.explaining import is_explained, remove_earlier

    again = is_explained(output / "explain")
    shutil.copytree(folder, output, dirs_exist_ok=True)
    if again:
        remove_earlier(output / "explain", list((folder / "explain").iterdir()))


def _facts(
    experiment: Experiment, corpus: Corpus, effects: Effects, metrics: dict[str, float]
) -> dict[str, Any]:
    """Return what the report says of a run besides its tables."""
    used = experiment.prior == "pooled" and corpus.pooled is not None
    pooled = len(prior_estimates(corpus.pooled)) if used else 0
    return {
        "corpus_name": corpus.schema.name,
        "corpus_digest": corpus.digest,
        "contrasts": len(corpus),
        "studies": len(np.unique(corpus.studies)),
        "evidence": _evidence_shares(effects),
        "factors": list(corpus.schema.factors),
        "prior": pooled > 0,
        "pooled": pooled,
        "metrics": metrics,
        "experiment": experiment.name,
        "baseline_by": experiment.baseline_by,
        "seed": experiment.seed,
        "outer_folds": experiment.outer_folds,
        "inner_folds": experiment.inner_folds,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": version("regencast"),
    }


def _evidence_shares(effects: Effects) -> dict[str, float]:
    """Return the share of rows by what they say of the effect, in percent."""
    shares = pd.Series(effects.kind).value_counts(normalize=True)
    return {str(kind): round(100 * float(share), 1) for kind, share in shares.items()}


def _log_numbers(
    mlflow: Any, experiment: Experiment, facts: dict[str, Any], candidates: pd.DataFrame
) -> None:
    """Log the run's parameters and metrics, and a child run for every candidate."""
    kept = ("seed", "outer_folds", "inner_folds", "contrasts", "studies", "version")
    mlflow.log_params({name: facts[name] for name in kept})
    mlflow.log_metrics(facts["metrics"])
    for candidate, row in zip(experiment.candidates, candidates.to_dict("records"), strict=True):
        with mlflow.start_run(run_name=candidate.name, nested=True):
            mlflow.log_params({"family": candidate.family, **dict(candidate.settings)})
            mlflow.log_metrics({str(k): v for k, v in row.items() if k != "candidate"})


def _write_files(
    folder: Path, facts: dict[str, Any], table: pd.DataFrame, candidates: pd.DataFrame
) -> None:
    (folder / "run.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    table.to_csv(folder / "out_of_fold.csv", index=False)
    candidates.to_csv(folder / "candidates.csv", index=False)


def _log_model(mlflow: Any, folder: Path, forecaster: Forecaster, designs: pd.DataFrame) -> None:
    """Log and register the model, and give it the alias ``champion``."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = forecaster.blend.encoder.schema.design
    kinds = {"number": "double", "string": "string"}
    inputs = Schema([ColSpec(kinds[f.type], f.name, required=False) for f in columns])
    scored = score_designs(forecaster, designs.iloc[:1], "example")
    new = [name for name in scored if name not in designs]
    outputs = Schema([ColSpec("string" if n in TEXTS else "double", n) for n in new])
    info = mlflow.pyfunc.log_model(
        name="model",
        loader_module="regencast.reporting.served",
        data_path=str(folder),
        signature=ModelSignature(inputs, outputs),
        input_example=designs.iloc[:1],
        registered_model_name=MODEL,
        pip_requirements=["regencast"],
    )
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(MODEL, "champion", info.registered_model_version)
