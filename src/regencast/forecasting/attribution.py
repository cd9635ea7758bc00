"""Shapley values of a forecast, by design factor, exact for every member of a blend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xgboost as xgb

from regencast.models import CensoredRidge, IntervalBoosting
from regencast.models.forest import _filled
from regencast.models.residual import ResidualRegressor
from regencast.training import Forecaster


def factor_shapley(
    forecaster: Forecaster, designs: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return what each design factor adds to each forecast.

    A factor's value is the sum of its columns' signed values. Trees by TreeSHAP (Lundberg and
    others 2020, Nat Mach Intell 2:56-67), linear members by slope times distance from the mean;
    a blend's value is the weighted sum of its members'.

    Returns
    -------
    values : pandas.DataFrame, shape (n, n_factors)
        In g.
    base : ndarray, shape (n,)
        Forecast less the sum of the values.
    """
    blend = forecaster.blend
    X = blend.encoder.transform(designs)
    total = np.zeros((len(X), len(blend.encoder.features_)))
    for weight, member in zip(blend.weights, blend.members, strict=True):
        if member.learned_:
            total += weight * _member_values(member, X)
    factors = pd.Index([feature.factor for feature in blend.encoder.features_])
    values = pd.DataFrame(total, index=designs.index, columns=factors).T
    values = values.groupby(level=0, sort=False).sum().T
    return values, blend.predict_encoded(X) - total.sum(axis=1)


def _member_values(member: ResidualRegressor, X: np.ndarray) -> np.ndarray:
    if isinstance(member, CensoredRidge):
        parts = member._columns(X) * member.coef_
        values = parts[:, : X.shape[1]].copy()
        values[:, member._marked] += parts[:, X.shape[1] :]
        return values
    if isinstance(member, IntervalBoosting):
        data = xgb.DMatrix(X, nthread=1)
        data.set_base_margin(np.zeros(len(X)))
        return member.unit_ * member.booster_.predict(data, pred_contribs=True)[:, :-1]
    import shap

    explainer = shap.TreeExplainer(member.forest_)  # type: ignore[attr-defined]
    return np.asarray(explainer.shap_values(_filled(X), check_additivity=False))
