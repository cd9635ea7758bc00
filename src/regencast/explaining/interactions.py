"""The strongest interactions between design factors, by XGBoost's own interaction values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.designs import normalise_dose
from regencast.effects import Effects
from regencast.explaining.style import new_figure, save
from regencast.models import IntervalBoosting
from regencast.training import Forecaster
from regencast.words import readable, readable_level

MOST = 5
DESIGNS = 300
LEVELS = 6
#: A cell of fewer contrasts says nothing of a pair of levels.
LEAST = 3


@dataclass(frozen=True)
class Interactions:
    """Interaction values by pair of factors.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per pair, strongest first: first, second, mean_abs_g, trees_share (``share``).
    values : dict
        The pair's value of each judged design, in g, both orders together.
    rows : ndarray of int
        Rows of the corpus that were judged.
    share : float
        Of the blend's weight that its boosted trees have; 0 where they were fitted beside it.
    """

    table: pd.DataFrame
    values: dict[tuple[str, str], np.ndarray]
    rows: np.ndarray
    share: float


def factor_interactions(forecaster: Forecaster, corpus: Corpus, effects: Effects) -> Interactions:
    """Return SHAP interaction values summed over the columns of each pair of factors.

    Lundberg and others 2020, Nat Mach Intell 2:56-67. They are the weighted sum over the champion's
    boosted trees, as these enter its forecast, or, where it has none, those of boosted trees fitted
    beside it.
    """
    blend = forecaster.blend
    known = np.flatnonzero(effects.informative)
    trees = [
        (weight, member)
        for weight, member in zip(blend.weights, blend.members, strict=True)
        if isinstance(member, IntervalBoosting) and member.learned_
    ]
    share = sum(weight for weight, _ in trees) / blend.weights.sum() if trees else 0.0
    X = blend.encoder.transform(corpus.frame.iloc[known])
    if not trees:
        beside = IntervalBoosting(max_depth=3)
        beside.fit(X, effects.take(known).targets(), groups=corpus.studies[known])
        trees = [(1.0, beside)] if beside.learned_ else []
    judged = np.linspace(0, len(known) - 1, min(DESIGNS, len(known))).astype(int)
    names = [feature.factor for feature in blend.encoder.features_]
    factors = list(dict.fromkeys(names))
    if not trees:
        return Interactions(_table({}, share), {}, known[judged], share)
    belongs = np.array([[name == factor for factor in factors] for name in names], dtype=float)
    pairs = sum(
        weight * (belongs.T @ member.interactions(X[judged]) @ belongs) for weight, member in trees
    )
    values = {
        (factors[i], factors[j]): pairs[:, i, j] + pairs[:, j, i]
        for i in range(len(factors))
        for j in range(i)
    }
    return Interactions(_table(values, share), values, known[judged], float(share))


def _table(values: dict[tuple[str, str], np.ndarray], share: float) -> pd.DataFrame:
    rows = [(a, b, float(np.abs(v).mean())) for (a, b), v in values.items()]
    table = pd.DataFrame(rows, columns=["first", "second", "mean_abs_g"])
    table["trees_share"] = share
    return table.sort_values("mean_abs_g", ascending=False, ignore_index=True)


def draw_interaction(
    found: Interactions, first: str, second: str, corpus: Corpus, path: Path
) -> Path | None:
    """Draw a pair's mean interaction by level of the two factors; None where no cell is filled."""
    frame = corpus.frame.iloc[found.rows]
    levels = [_levels(frame, corpus, name) for name in (first, second)]
    cells = pd.DataFrame({"a": levels[0], "b": levels[1], "value": found.values[first, second]})
    tops = [cells[c].value_counts().index[:LEVELS] for c in "ab"]
    mean = cells.pivot_table("value", "a", "b", "mean").reindex(tops[0], columns=tops[1])
    count = cells.pivot_table("value", "a", "b", "count").reindex(tops[0], columns=tops[1])
    mean = mean.where(count >= LEAST)
    if mean.notna().sum().sum() == 0:
        return None
    reach = float(np.nanmax(np.abs(mean.to_numpy()))) or 1.0
    figure, axis = new_figure(1.1 * len(tops[1]) + 3.2, 0.5 * len(tops[0]) + 2.4)
    image = axis.imshow(mean, cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto")
    for y, x in np.argwhere(mean.notna().to_numpy()):
        colour = "white" if abs(mean.iat[y, x]) > 0.6 * reach else "black"
        axis.text(
            x, y, f"{mean.iat[y, x]:+.2f}", ha="center", va="center", fontsize=8, color=colour
        )
    axis.set_xticks(range(len(tops[1])), [readable_level(t, 18) for t in tops[1]], rotation=35,
                    ha="right")  # fmt: skip
    axis.set_yticks(range(len(tops[0])), [readable_level(t, 18) for t in tops[0]])
    axis.set_xlabel(readable(second))
    axis.set_ylabel(readable(first))
    figure.colorbar(image, label="Interaction (Hedges' g)")
    title = f"What {readable(first).lower()} and {readable(second).lower()} add together"
    of = (
        f"boosted trees, {found.share:.0%} of the model's weight"
        if found.share
        else "boosted trees fitted beside the model, which has none"
    )
    axis.set_title(f"{title}\n({of})", loc="left", fontsize=10)
    return save(figure, path)


def _levels(frame: pd.DataFrame, corpus: Corpus, factor: str) -> np.ndarray:
    """Return each design's level of a factor; numbers in thirds, a dose in those of its scale."""
    fields = [field for field in corpus.schema.design if field.factor == factor]
    levels = np.full(len(frame), "not reported", dtype=object)
    if any(field.role == "dose_value" for field in fields):
        for scale, amounts in normalise_dose(frame, corpus.schema).items():
            known = amounts.to_numpy() > 0
            unit = readable_level(str(scale).removeprefix("mass_"))
            levels[known] = [f"{third} {unit}" for third in _thirds(amounts[known])]
        return levels
    cells = frame[fields[0].name]
    known = cells.notna().to_numpy() & (cells != "").to_numpy()
    number = fields[0].type == "number"
    levels[known] = _thirds(cells[known]) if number else cells[known].astype(str)
    return levels


def _thirds(numbers: pd.Series) -> list[str]:
    """Return the third of the numbers in which each lies."""
    if numbers.nunique() < 2:
        return [f"{number:g}" for number in numbers]
    thirds = pd.qcut(numbers, 3, duplicates="drop").cat
    names = [f"{part.left:g} to {part.right:g}" for part in thirds.categories]
    return [names[code] for code in thirds.codes]
