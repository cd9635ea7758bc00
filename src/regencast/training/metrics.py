"""What held-out forecasts are worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from statsmodels.stats.meta_analysis import combine_effects


def skill(table: pd.DataFrame) -> dict[str, float]:
    """Return the metrics of held-out forecasts on measured rows.

    Parameters
    ----------
    table : pandas.DataFrame
        As `cross_validate` returns it.

    Returns
    -------
    dict
        r2cv (weights 1/(v + tau2), tau2 by Paule-Mandel, against the baseline of each fold), mae,
        rank_correlation, coverage90 (rows), coverage90_by_study, width90, n_measured, n_studies.
        Only the counts where fewer than two rows are measured.
    """
    rows = table[table["observed"].notna()]
    counts = {"n_measured": len(rows), "n_studies": rows["study_id"].nunique()}
    if len(rows) < 2:
        return {key: float(value) for key, value in counts.items()}
    y, v = rows["observed"].to_numpy(), rows["variance"].to_numpy()
    tau2 = max(combine_effects(y, v, method_re="iterated").tau2, 0.0)
    w = 1 / (v + tau2)
    f, b = rows["predicted"].to_numpy(), rows["baseline"].to_numpy()
    inside = (y >= rows["low90"]) & (y <= rows["high90"])
    # Forecasts that are all alike rank nothing.
    rank = spearmanr(f, y).statistic if np.ptp(f) > 0 else 0.0
    return {
        "r2cv": float(1 - np.sum(w * (y - f) ** 2) / np.sum(w * (y - b) ** 2)),
        "mae": float(np.mean(np.abs(y - f))),
        "rank_correlation": float(rank),
        "coverage90": float(inside.mean()),
        "coverage90_by_study": float(inside.groupby(rows["study_id"]).mean().mean()),
        "width90": float((rows["high90"] - rows["low90"]).mean()),
        **{key: float(value) for key, value in counts.items()},
    }
