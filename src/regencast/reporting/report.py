"""The report: one HTML file that needs no network, from the files of one run."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from regencast.errors import fail
from regencast.training import BUILT_IN
from regencast.words import readable, readable_level

#: A text of the corpus longer than this is cut in the report.
LONGEST = 80
#: Plots in the order of the report: file pattern, section, alternative text, what to see.
FIGURES = (
    ("scores.png", "forecasts", "Designs with score and interval",
     "Dot: score; line: 90 % interval for a new study of that design; bar: what one would say "
     "without looking at the design. Colour: how near the design lies to published studies."),
    ("shap_waterfall.png", "forecasts", "How the first design's score is reached, by factor",
     "From the average design to this one, in score points; blue raises, orange lowers. The steps "
     "add up to the score."),
    ("observed.png", "skill", "Observed against forecast effects of held-out studies",
     "Each dot is a contrast forecast by a model that never saw its study; on the line the two "
     "agree."),
    ("reliability.png", "skill", "Forecast chance of benefit against how often it was seen",
     "On the line, what was forecast to happen in a share of studies did happen in that share."),
    ("coverage.png", "skill", "Coverage of the 90 % interval by group",
     "Every bar should reach about the line at 90 %."),
    ("shap_bar.png", "factors", "Importance of design factors with intervals",
     "A factor whose interval reaches the orange mark (the same model on shuffled effects) is not "
     "told from noise and is drawn pale."),
    ("shap_beeswarm.png", "factors", "SHAP values of every contrast by factor",
     "Each dot is a published contrast. Right of the line the factor's level raises the forecast."),
    ("dependence_*.png", "factors", "SHAP values by level or dose of one factor",
     "Association across studies: levels differ in much besides the factor. Pale: fewer than five "
     "studies."),
    ("interaction_*.png", "factors", "Interaction of two factors",
     "What the two factors add together beyond what each adds alone; empty cells have too few "
     "contrasts."),
    ("forest_*.png", "headtohead", "Forest plot of a comparison within studies",
     "Squares: studies with numbers and their 95 % interval; arrows: studies that tell a direction "
     "alone; diamond: random-effects pool."),
    ("funnel.png", "evidence", "Funnel plot of measured effects",
     "Dots that spread to the right as studies get smaller are a sign of small-study effects."),
    ("map.png", "evidence", "Number of studies by source and model",
     "Dark: many studies; empty: nobody has looked."),
    ("pools.png", "evidence", "Published pooled estimates beside the forecast",
     "Each estimate is compared with a forecast that did not use its meta-analysis."),
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A picture of the report."""

    data: str
    alt: str
    caption: str


def write_report(folder: Path, path: Path) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    folder : Path
        The run's files: ``run.json``, ``out_of_fold.csv``, ``candidates.csv`` and ``explain/``.
    path : Path
        The HTML file to write.

    Returns
    -------
    Path

    Raises
    ------
    FaultyInput
        If the folder lacks a run's files.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise fail(folder, "it holds no run.json of a training run", "Train again") from None
    environment = Environment(
        loader=PackageLoader("regencast.reporting"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["readable"] = readable
    environment.filters["level"] = readable_level
    html = environment.get_template("report.html").render(
        run=run,
        built_in=BUILT_IN,
        figures=_figures(folder / "explain"),
        importance=_rows(folder / "explain/importance.csv"),
        headtohead=_rows(folder / "explain/headtohead.csv"),
        interactions=_rows(folder / "explain/interactions.csv"),
        egger=_rows(folder / "explain/egger.csv"),
        influence=_rows(folder / "explain/influence.csv"),
        candidates=_rows(folder / "candidates.csv"),
    )
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        part.write_text(html, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _figures(folder: Path) -> dict[str, list[Figure]]:
    sections: dict[str, list[Figure]] = {section: [] for _, section, _, _ in FIGURES}
    for pattern, section, alt, caption in FIGURES:
        for path in sorted(folder.glob(pattern)):
            text = base64.b64encode(path.read_bytes()).decode("ascii")
            of = readable(path.stem.removeprefix("dependence_"))
            told = f"{alt}: {of}" if path.stem.startswith("dependence_") else alt
            sections[section].append(Figure(f"data:image/png;base64,{text}", told, caption))
    return sections


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return a table's rows with long texts cut; none where the run has no such table."""
    if not path.is_file():
        return []
    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        return []
    return [{str(k): _short(k, v) for k, v in row.items()} for row in table.to_dict("records")]


def _short(column: object, value: Any) -> Any:
    if isinstance(value, str) and column != "disagreement" and len(value) > LONGEST:
        return value[:LONGEST] + "..."
    return value
