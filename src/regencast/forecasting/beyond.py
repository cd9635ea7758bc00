"""Numbers of a design that no study comes near, named with what the studies cover."""

from __future__ import annotations

import numpy as np

from regencast.designs import Feature
from regencast.training import Forecaster


def beyond_studies(forecaster: Forecaster, X: np.ndarray) -> list[str]:
    """Name the numbers for which each design is extrapolating.

    Parameters
    ----------
    forecaster : Forecaster
    X : ndarray, shape (n, n_features)
        Encoded designs.

    Returns
    -------
    list of str, n texts
        As ``dose 1e+07 ug (studies 0.2 to 400)``; empty where every number lies near the studies.
    """
    ranges = forecaster.ranges
    features = [forecaster.blend.encoder.features_[j] for j in ranges.columns]
    low, high, values = (
        np.where(ranges.logarithmic, 10.0 ** np.where(ranges.logarithmic, x, 0.0), x)
        for x in (ranges.low, ranges.high, X[:, ranges.columns])
    )
    texts = []
    for row, outside in zip(values, ranges.beyond(X), strict=True):
        named = [
            f"{_named(features[k], row[k])} ({_covered(low[k], high[k])})"
            for k in np.flatnonzero(outside)
        ]
        texts.append("; ".join(named))
    return texts


def _named(feature: Feature, value: float) -> str:
    if feature.kind != "dose":
        return f"{feature.column} {value:.3g}"
    scale = str(feature.level)
    total = "total dose" if scale.startswith("total_") else "dose"
    return f"{total} {value:.3g} {scale.removeprefix('total_').removeprefix('mass_')}"


def _covered(low: float, high: float) -> str:
    if low > high:
        return "no study gives one"
    return f"studies {low:.3g}" if low == high else f"studies {low:.3g} to {high:.3g}"
