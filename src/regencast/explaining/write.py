"""All SHAP tables and plots of one model, in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.corpus.schema import DOSE_GROUP
from regencast.designs import normalise_dose
from regencast.effects import Effects
from regencast.explaining.dependence import draw_levels, draw_number, level_table
from regencast.explaining.figures import draw_bar, draw_beeswarm, draw_scores, draw_waterfall
from regencast.explaining.importance import RESAMPLES, factor_importance
from regencast.explaining.influence import influential_studies
from regencast.explaining.interactions import MOST, draw_interaction, factor_interactions
from regencast.explaining.within import write_evidence
from regencast.forecasting import explain_design, score_designs
from regencast.training import Forecaster, contrast_order
from regencast.words import file_names, readable

#: Names of the files that an explanation may write, those of the skill plots beside it included.
MADE = (
    "importance.csv", "influence.csv", "interactions.csv", "interaction_*.png", "dependence_*.png",
    "dependence_*.csv", "shap_*.png", "scores.png", "headtohead.csv", "forest_*.png", "egger.csv",
    "funnel.png", "map.png", "pools.csv", "pools.png", "observed.png", "reliability.png",
    "coverage.png",
)  # fmt: skip
#: Factors that get a plot of their levels.
DEPENDENCE = 8
DOSES = {
    "mass_ug": "Mass of one administration (ug)",
    "particles": "Particles of one administration",
}


def explain(
    forecaster: Forecaster,
    corpus: Corpus,
    effects: Effects,
    designs: pd.DataFrame,
    names: list[str],
    folder: Path,
    resamples: int = RESAMPLES,
    jobs: int = 2,
    progress: Callable[[], None] = lambda: None,
    cluster: str | None = None,
) -> list[Path]:
    """Write importance, beeswarm, dependence, interactions, head-to-head and local plots.

    Parameters
    ----------
    forecaster : Forecaster
    corpus : Corpus
        The one that it learned from.
    effects : Effects
    designs : pandas.DataFrame
        Proposed designs, typed.
    names : list of str
        A label for each design.
    folder : Path
    resamples, jobs, progress, cluster
        As in `factor_importance`.

    Returns
    -------
    list of Path
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    again = is_explained(folder)
    order = contrast_order(corpus)
    corpus, effects = corpus.take(order), effects.take(order)
    importance = factor_importance(forecaster, corpus, effects, resamples, jobs, progress, cluster)
    values = importance.values
    factors = importance.table["factor"].tolist()
    files = [folder / "importance.csv"]
    importance.table.to_csv(files[0], index=False)
    files.append(folder / "influence.csv")
    influence = influential_studies(forecaster, corpus, effects, importance)
    influence.to_csv(files[-1], index=False)
    files.append(draw_bar(importance.table, folder / "shap_bar.png"))
    files.append(
        draw_beeswarm(values, factors, corpus.frame, corpus.studies, folder / "shap_beeswarm.png")
    )
    files += _local(forecaster, designs, names, folder)
    for factor, name in file_names(factors).items():
        if factor in factors[:DEPENDENCE] or factor == DOSE_GROUP:
            files += _dependence(corpus, factor, values[factor], folder / f"dependence_{name}.png")
    pairs = factor_interactions(forecaster, corpus, effects)
    files.append(folder / "interactions.csv")
    pairs.table.to_csv(files[-1], index=False)
    for place, (first, second) in enumerate(pairs.table.to_numpy()[:MOST, :2], start=1):
        path = draw_interaction(pairs, first, second, corpus, folder / f"interaction_{place}.png")
        files += [path] if path else []
    columns = forecaster.blend.baseline.group_columns
    by = forecaster.blend.encoder.features_[columns[0]].column if columns else ""
    files += write_evidence(forecaster, corpus, effects, values, by, folder)
    if again:
        remove_earlier(folder, files)
    return files


def is_explained(folder: Path) -> bool:
    """Return whether a folder holds an explanation: in another one, files are somebody else's."""
    return (folder / "importance.csv").is_file()


def remove_earlier(folder: Path, written: list[Path]) -> None:
    """Remove what an earlier explanation left in a folder and a later one has not written.

    Parameters
    ----------
    folder : Path
    written : list of Path
        The files of the later one, of which the names count.
    """
    names = {path.name for path in written}
    for path in (found for pattern in MADE for found in folder.glob(pattern)):
        if path.name not in names:
            path.unlink()


def _local(
    forecaster: Forecaster, designs: pd.DataFrame, names: list[str], folder: Path
) -> list[Path]:
    first = designs.iloc[:1]
    path = folder / "shap_waterfall.png"
    return [
        draw_scores(score_designs(forecaster, designs, "designs"), names, folder / "scores.png"),
        draw_waterfall(explain_design(forecaster, first), path),
    ]


def _dependence(corpus: Corpus, factor: str, values: pd.Series, path: Path) -> list[Path]:
    """Draw one factor: its levels, or its numbers; a dose on each of its scales."""
    fields = [field for field in corpus.schema.design if field.factor == factor]
    files = []
    if any(field.role == "dose_value" for field in fields):
        doses = normalise_dose(corpus.frame, corpus.schema)
        for scale, label in DOSES.items():
            amounts = doses[scale].to_numpy(dtype=float)
            if len(np.unique(amounts[np.isfinite(amounts)])) > 2:
                scaled = path.with_name(f"{path.stem}_{scale}.png")
                files.append(
                    draw_number(amounts, values.to_numpy(), corpus.studies, label, scaled, True)
                )
        return files
    field = fields[0]
    if field.type == "number":
        amounts = corpus.frame[field.name].to_numpy(dtype=float)
        if len(np.unique(amounts[np.isfinite(amounts)])) <= 2:
            return []
        log = field.kind == "log_number"
        return [
            draw_number(amounts, values.to_numpy(), corpus.studies, readable(factor), path, log)
        ]
    table = level_table(field, corpus, values)
    table.to_csv(path.with_suffix(".csv"), index=False)
    return [path.with_suffix(".csv"), draw_levels(table, factor, path)]
