"""What the corpus holds, where nobody has looked, and how forecasts compare with pools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.designs import DesignEncoder
from regencast.effects import Effects
from regencast.explaining.style import BLUE, GREY, ORANGE, new_figure, save
from regencast.training import Forecaster
from regencast.training.prior import make_baseline, pooled_sources, prior_estimates
from regencast.words import readable, readable_level


def draw_map(counts: pd.DataFrame, rows: str, columns: str, path: Path) -> Path:
    """Draw the counts of `pair_counts`; empty cells are where nobody has looked."""
    figure, axis = new_figure(0.55 * counts.shape[1] + 3, 0.38 * counts.shape[0] + 2.6)
    shade = np.log1p(counts.to_numpy(dtype=float))
    axis.imshow(np.where(shade > 0, shade, np.nan), cmap="Blues", vmin=0, aspect="auto")
    for y, x in np.argwhere(counts.to_numpy() > 0):
        dark = shade[y, x] > 0.6 * shade.max()
        axis.text(x, y, str(counts.iat[y, x]), ha="center", va="center", fontsize=8,
                  color="white" if dark else "black")  # fmt: skip
    axis.set_xticks(range(counts.shape[1]), [readable_level(c, 22) for c in counts.columns],
                    rotation=50, ha="right")  # fmt: skip
    axis.set_yticks(range(counts.shape[0]), [readable_level(c, 26) for c in counts.index])
    axis.set_xticks(np.arange(-0.5, counts.shape[1]), minor=True)
    axis.set_yticks(np.arange(-0.5, counts.shape[0]), minor=True)
    axis.grid(which="minor", color="#EEEEEE")
    axis.tick_params(which="minor", length=0)
    title = f"Studies by {readable(rows)} and {readable(columns)}; empty: nobody has looked"
    axis.set_title(title, loc="left", fontsize=10)
    return save(figure, path)


def compare_with_pools(
    forecaster: Forecaster, corpus: Corpus, effects: Effects, by: str
) -> pd.DataFrame:
    """Return published pooled estimates beside what is forecast without them.

    For each level of ``by`` the forecast is the mean over the corpus's designs of that level, each
    meta-analysis left out of the prior that its own estimate is compared with (the baseline is
    fitted anew; what the candidates add to it stays). A model whose baseline has no prior knows
    none of them: its own forecast is compared.

    Returns
    -------
    pandas.DataFrame
        One row per estimate: pooled_id, level, estimate, ci_low, ci_high (oriented), forecast.
    """
    pooled = corpus.pooled
    columns = ["pooled_id", "level", "estimate", "ci_low", "ci_high", "forecast"]
    if pooled is None or not by or by not in pooled:
        return pd.DataFrame(columns=columns)
    kept = prior_estimates(pooled)
    kept = kept[kept[by].isin(set(corpus.frame[by].dropna()))]
    rows = np.flatnonzero(effects.informative)
    encoder, blend = forecaster.blend.encoder, forecaster.blend
    X, y = encoder.transform(corpus.frame.iloc[rows]), effects.take(rows).targets()
    own = blend.baseline.predict(X)
    added = blend.predict_encoded(X) - own
    level = corpus.frame[by].iloc[rows].to_numpy()
    found = []
    for _, source in kept.groupby(pooled_sources(kept)):
        others = pooled.drop(source.index)
        base = _baseline_without(encoder, others, by, X, y) if blend.baseline.prior else own
        mean = base + added
        for _, one in source.iterrows():
            sign = 1.0 if one["outcome_better"] == "higher" else -1.0
            ends = sorted((sign * one["ci_low"], sign * one["ci_high"]))
            forecast = float(mean[level == one[by]].mean())
            found.append((one["pooled_id"], one[by], sign * one["estimate"], *ends, forecast))
    return pd.DataFrame(found, columns=columns)


def _baseline_without(
    encoder: DesignEncoder, pooled: pd.DataFrame, by: str, X: np.ndarray, y: np.ndarray
) -> np.ndarray:
    return make_baseline(encoder, pooled, by).fit(X, y).predict(X)


def draw_pools(table: pd.DataFrame, path: Path) -> Path:
    """Draw published pooled estimates with their 95 % intervals beside the forecast, by level."""
    levels = table.groupby("level")["forecast"].mean().sort_values()
    figure, axis = new_figure(7.5, 0.62 * len(levels) + 1.8)
    for y, (level, forecast) in enumerate(levels.items()):
        part = table[table["level"] == level].sort_values("estimate")
        place = y + np.linspace(-0.3, 0.3, len(part)) if len(part) > 1 else np.array([float(y)])
        axis.hlines(place, part["ci_low"], part["ci_high"], color=BLUE, lw=0.8, alpha=0.5)
        axis.plot(part["estimate"], place, "o", color=BLUE, ms=4, mew=0)
        axis.plot(forecast, y, "D", color=ORANGE, ms=8)
    axis.plot([], [], "o-", color=BLUE, ms=4, label="published pooled SMD, 95 % interval")
    axis.plot([], [], "D", color=ORANGE, ls="none", label="forecast without that meta-analysis")
    axis.axvline(0, color=GREY, lw=0.8)
    counts = table.groupby("level").size()
    axis.set_yticks(
        range(len(levels)), [f"{readable_level(n)} ({counts[n]})" for n in levels.index]
    )
    ends = table["estimate"].quantile([0.02, 0.98])
    axis.set_xlim(min(-0.5, ends.iloc[0] - 1), ends.iloc[1] + 2)
    axis.set_xlabel("Hedges' g; in brackets the number of published estimates")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return save(figure, path)
