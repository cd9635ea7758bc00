"""Pages on the model: what matters, which run answers, its report."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from flask import Blueprint, Response, abort, render_template, request, send_file

from regencast.app.charts import Axis, axis_over
from regencast.app.models import Loaded
from regencast.app.shared import loaded, models
from regencast.errors import RegencastError
from regencast.words import file_names

model_pages = Blueprint("model", __name__)

#: Levels that a factor's chart shows.
LEVELS = 20
#: The report brings its own styles and pictures, and nothing else.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MLFLOW = "http://127.0.0.1:5000"


@model_pages.get("/matters")
def matters() -> str:
    """Show which factors matter, the levels of one of them, and the head-to-head evidence."""
    model = loaded()
    importance = model.table("importance.csv")
    factors = list(importance["factor"]) if len(importance) else []
    asked = request.args.get("factor", "")
    factor = asked if asked in factors else next(iter(factors), "")
    name = file_names(factors).get(factor, "")
    levels = model.table(f"dependence_{name}.csv").head(LEVELS)
    if len(levels):
        levels = levels.sort_values("mean", ascending=False)
    compared = model.table("headtohead.csv")
    if len(compared):
        compared["unclear"] = compared["k"] - compared["k_better"] - compared["k_worse"]
    return render_template(
        "matters.html",
        importance=importance.to_dict("records"),
        scale=_scale(importance, ["high_g", "shuffled_g"]),
        factor=factor,
        levels=levels.to_dict("records"),
        level_axis=axis_over([0.0, *levels["low"], *levels["high"]] if len(levels) else [0, 1]),
        pictures=_pictures(model, name),
        compared=compared.to_dict("records"),
        verdict=model.forecaster.verdict,
        report=model.folder is not None and (model.folder / "report.html").is_file(),
    )


def _scale(table: pd.DataFrame, names: list[str]) -> Axis:
    top = max((float(table[name].max()) for name in names if name in table), default=1.0)
    return Axis(0, 1.05 * top)


def _pictures(model: Loaded, name: str) -> list[str]:
    """Return the run's pictures of a factor that has numbers instead of levels."""
    if model.folder is None or not name:
        return []
    found = sorted((model.folder / "explain").glob(f"dependence_{name}*.png"))
    return [path.stem for path in found if not path.with_suffix(".csv").is_file()]


@model_pages.get("/picture/<name>.png")
def picture(name: str) -> Response:
    """Return a picture of the run."""
    model = loaded()
    if model.folder is None or not re.fullmatch(r"[\w-]+", name):
        abort(404)
    return _file(model.folder / "explain" / f"{name}.png")


@model_pages.get("/report")
def report() -> Response:
    """Return the run's report."""
    model = loaded()
    response = _file((model.folder or Path()) / "report.html")
    response.headers["Content-Security-Policy"] = REPORT_POLICY
    return response


def _file(path: Path) -> Response:
    if not path.is_file():
        abort(404, "The run has no such file.")
    return send_file(path.resolve())


@model_pages.get("/runs")
def runs() -> str:
    """Show which model answers and what else is registered."""
    model = fault = None
    try:
        model = loaded()
    except RegencastError as error:
        # The other versions may still answer.
        fault = str(error)
    corpus, _ = models().evidence()
    versions = models().versions()
    return render_template(
        "runs.html",
        loaded=model,
        fault=fault,
        versions=versions,
        champion=next((one.version for one in versions if one.champion), None),
        digest=corpus.digest,
        mlflow=MLFLOW,
    )
