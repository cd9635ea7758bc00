"""The MLflow store: where runs are tracked; how a model, its versions and its run are found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from regencast.errors import fail
from regencast.training import Forecaster, load_forecaster

MODEL = "regencast"
CHAMPION = f"models:/{MODEL}@champion"
STORE = Path("experiments")
REMEDY = "Train first with `make train`, or name a folder, a run or models:/NAME@alias"


def tracking() -> Any:
    """Return mlflow, pointed at ``MLFLOW_TRACKING_URI`` or the local SQLite store."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    store = STORE.resolve()
    if "MLFLOW_TRACKING_URI" not in os.environ:
        store.mkdir(exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{store / 'mlflow.db'}")
    return mlflow


def choose_experiment(mlflow: Any, name: str) -> None:
    """Make the experiment the current one; artifacts of a local store lie beside it.

    Raises
    ------
    FaultyInput
        If it was deleted in MLflow.
    """
    known = mlflow.get_experiment_by_name(name)
    if known is not None and known.lifecycle_stage == "deleted":
        raise fail(
            name,
            "the experiment was deleted in MLflow",
            "Give it another name in the experiment file, or restore it: `mlflow experiments "
            f"restore --experiment-id {known.experiment_id}`, with MLFLOW_TRACKING_URI set to the "
            "store",
        )
    if known is None:
        # mlflow itself sets MLFLOW_TRACKING_URI, so the address tells whose store it is.
        local = mlflow.get_tracking_uri().endswith("experiments/mlflow.db")
        place = (STORE / "artifacts").resolve().as_uri() if local else None
        mlflow.create_experiment(name, artifact_location=place)
    mlflow.set_experiment(name)


def load_model(model: str | None) -> Forecaster:
    """Load a folder, an MLflow run id or ``models:/NAME@alias``; by default the champion.

    Raises
    ------
    FaultyInput
        If there is no such model, or a file of it was changed.
    """
    if model and Path(model).is_dir():
        return load_forecaster(Path(model))
    address = model or CHAMPION
    if "/" not in address:
        address = f"runs:/{address}/model"
    folder = _download(address)
    manifest = next(folder.rglob("MANIFEST"), None)
    if manifest is None:
        raise fail(address, "it holds no model", REMEDY)
    return load_forecaster(manifest.parent)


def run_files(model: str | None) -> Path:
    """Return a folder with the files of the run that made a model.

    Parameters
    ----------
    model : str or None
        A folder that holds ``run.json``, an MLflow run id or ``models:/NAME@alias``.

    Raises
    ------
    FaultyInput
        If there is no such run.
    """
    if model and Path(model).is_dir():
        return Path(model)
    address = model or CHAMPION
    if "/" in address and not address.startswith("runs:"):
        mlflow = tracking()
        try:
            name, _, alias = address.removeprefix("models:/").partition("@")
            client = mlflow.MlflowClient()
            found = (
                client.get_model_version_by_alias(name, alias)
                if alias
                else client.get_model_version(*name.split("/"))
            )
        except Exception as error:
            raise _missing(address, error) from None
        address = found.run_id
    return _download(f"runs:/{address.removeprefix('runs:/').split('/')[0]}/")


def _download(address: str) -> Path:
    mlflow = tracking()
    try:
        return Path(mlflow.artifacts.download_artifacts(address))
    except Exception as error:  # MLflow raises many kinds; to the user they all mean: not there.
        raise _missing(address, error) from None


def _missing(address: str, error: Exception) -> Exception:
    return fail(address, f"there is no such model ({type(error).__name__})", REMEDY)


@dataclass(frozen=True)
class Version:
    """A registered version of the model.

    Attributes
    ----------
    version, run_id, experiment_id, date, digest, verdict : str
        Digest is the corpus's; verdict is what held-out studies say of the model.
    champion : bool
    """

    version: str
    run_id: str
    experiment_id: str
    date: str
    digest: str
    verdict: str
    champion: bool


def list_versions() -> list[Version]:
    """Return the registered versions of the model, newest first."""
    client = tracking().MlflowClient()
    found = []
    for one in client.search_model_versions(f"name = '{MODEL}'"):
        try:
            run = client.get_run(one.run_id)
        except Exception:  # noqa: S112 - a deleted run leaves its version behind
            continue
        full = client.get_model_version(MODEL, one.version)
        date = datetime.fromtimestamp(one.creation_timestamp / 1000, UTC)
        found.append(
            Version(
                str(one.version),
                one.run_id,
                run.info.experiment_id,
                date.strftime("%Y-%m-%d %H:%M UTC"),
                run.data.tags.get("corpus_digest", ""),
                run.data.tags.get("verdict", ""),
                "champion" in full.aliases,
            )
        )
    return sorted(found, key=lambda version: -int(version.version))
