"""A training run from start to registered champion, in MLflow."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regencast.corpus import read_corpus
from regencast.effects import read_effects
from regencast.errors import fail
from regencast.explaining import explain
from regencast.forecasting import check_designs, design_names, read_designs, score_designs
from regencast.training import (
    Experiment,
    Forecaster,
    cross_validate,
    fit_forecaster,
    judge,
    load_forecaster,
    save_forecaster,
    skill,
    study_folds,
)

MODEL = "regencast"
EXAMPLE = Path("data/proposals/example.csv")


def tracking() -> Any:
    """Return mlflow, pointed at ``MLFLOW_TRACKING_URI`` or the local SQLite store."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    import mlflow

    store = Path("experiments").resolve()
    if "MLFLOW_TRACKING_URI" not in os.environ:
        store.mkdir(exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{store / 'mlflow.db'}")
    return mlflow


def run_training(
    experiment: Experiment,
    package: Path,
    output: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Validate, train, explain, log and register.

    Parameters
    ----------
    experiment : Experiment
    package : Path
    output : Path, optional
        Folder for a copy of plots and tables.
    progress : callable
        Called after each outer fold and each resample of studies.

    Returns
    -------
    dict
        run_id, verdict, metrics, model (its address) and the fitted weights.
    """
    corpus = read_corpus(package)
    effects = read_effects(corpus)
    mlflow = tracking()
    folds = study_folds(corpus.studies, experiment.outer_folds, experiment.seed)
    table = cross_validate(corpus, effects, experiment, folds, progress=progress)
    metrics = skill(table)
    verdict = judge(table, experiment.seed)
    forecaster, candidates = fit_forecaster(corpus, effects, experiment)
    forecaster = replace(forecaster, verdict=verdict.sentence)
    if mlflow.get_experiment_by_name(experiment.name) is None:
        place = Path("experiments/artifacts").resolve().as_uri()
        # mlflow itself sets MLFLOW_TRACKING_URI, so the address tells whose store it is.
        local = mlflow.get_tracking_uri().endswith("experiments/mlflow.db")
        mlflow.create_experiment(experiment.name, artifact_location=place if local else None)
    mlflow.set_experiment(experiment.name)
    tags = {"verdict": verdict.sentence, "corpus_digest": corpus.digest}
    with mlflow.start_run(tags=tags) as run:
        mlflow.log_params(
            {
                "seed": experiment.seed,
                "outer_folds": experiment.outer_folds,
                "inner_folds": experiment.inner_folds,
                "contrasts": len(corpus),
                "studies": len(np.unique(corpus.studies)),
            }
        )
        mlflow.log_metrics(metrics)
        for candidate, row in zip(
            experiment.candidates, candidates.to_dict("records"), strict=True
        ):
            with mlflow.start_run(run_name=candidate.name, nested=True):
                mlflow.log_params({"family": candidate.family, **dict(candidate.settings)})
                mlflow.log_metrics({str(k): v for k, v in row.items() if k != "candidate"})
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, frame in (("out_of_fold", table), ("candidates", candidates)):
                frame.to_csv(folder / f"{name}.csv", index=False)
                mlflow.log_artifact(str(folder / f"{name}.csv"))
                (folder / f"{name}.csv").unlink()
            designs, names = _example(forecaster, corpus.frame)
            resamples = experiment.resamples
            explain(
                forecaster, corpus, effects, designs, names, folder, resamples, progress=progress
            )
            for path in sorted(folder.iterdir()):
                mlflow.log_artifact(str(path), artifact_path="explain")
            if output:
                shutil.copytree(folder, output, dirs_exist_ok=True)
            save_forecaster(forecaster, folder / "model")
            address = _log_model(mlflow, folder / "model", forecaster, designs)
        return {
            "run_id": run.info.run_id,
            "verdict": verdict.sentence,
            "metrics": metrics,
            "model": address,
            "weights": dict(zip(candidates["candidate"], candidates["weight"], strict=True)),
        }


def load_model(model: str | None) -> Forecaster:
    """Load a folder, an MLflow run id or ``models:/NAME@alias``; by default the champion."""
    if model and Path(model).is_dir():
        return load_forecaster(Path(model))
    mlflow = tracking()
    address = model or f"models:/{MODEL}@champion"
    if "/" not in address:
        address = f"runs:/{address}/model"
    try:
        folder = Path(mlflow.artifacts.download_artifacts(address))
    except Exception as error:  # MLflow raises many kinds; to the user they all mean: not there.
        raise fail(
            address,
            f"there is no such model ({type(error).__name__})",
            "Train first with `make train`, or name a folder, a run or models:/NAME@alias",
        ) from None
    return load_forecaster(next(folder.rglob("MANIFEST")).parent)


def _example(forecaster: Forecaster, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the example proposals where they fit the corpus, else its first designs."""
    encoder = forecaster.blend.encoder
    columns = [field.name for field in encoder.schema.design]
    if EXAMPLE.is_file():
        given = read_designs(EXAMPLE)
        typed, faults = check_designs(given, encoder, str(EXAMPLE))
        if not faults and set(given) & set(columns):
            return typed, design_names(given, encoder)
    return frame[columns].iloc[:5], [f"contrast {k}" for k in range(1, 6)]


def _log_model(mlflow: Any, folder: Path, forecaster: Forecaster, designs: pd.DataFrame) -> str:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = forecaster.blend.encoder.schema.design
    kinds = {"number": "double", "string": "string"}
    inputs = Schema([ColSpec(kinds[f.type], f.name, required=False) for f in columns])
    scored = score_designs(forecaster, designs.iloc[:1], "example")
    new = [name for name in scored if name not in designs]
    texts = {"support", "pushes_up", "pushes_down", "nearest_studies", "fault", "verdict"}
    outputs = Schema([ColSpec("string" if n in texts else "double", n) for n in new])
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
    return f"models:/{MODEL}@champion"
