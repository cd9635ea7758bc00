"""Scoring proposed designs."""

from __future__ import annotations

import pandas as pd

from regencast.effects import regeneration_score
from regencast.forecasting.attribution import factor_shapley
from regencast.forecasting.designs import check_designs
from regencast.training import Forecaster

COLUMNS = (
    "score",
    "score_low",
    "score_high",
    "effect",
    "effect_low",
    "effect_high",
    "baseline_score",
    "support",
    "pushes_up",
    "pushes_down",
    "nearest_studies",
    "fault",
)


def score_designs(forecaster: Forecaster, frame: pd.DataFrame, file: str) -> pd.DataFrame:
    """Forecast designs.

    Parameters
    ----------
    forecaster : Forecaster
    frame : pandas.DataFrame
        Designs as read; a row with a fault comes back with the fault and no forecast.
    file : str
        For the messages.

    Returns
    -------
    pandas.DataFrame
        The design's own columns, then those of ``COLUMNS``.
    """
    typed, faults = check_designs(frame, forecaster.blend.encoder, file)
    result = frame.drop(columns=[c for c in COLUMNS if c in frame]).copy()
    for column in COLUMNS:
        result[column] = pd.Series(None, index=result.index, dtype=object)
    for row in {fault.row for fault in faults}:
        result.at[row, "fault"] = " | ".join(str(fault) for fault in faults if fault.row == row)
    good = result.index[result["fault"].isna()]
    if good.empty:
        return result
    designs = typed.loc[good]
    forecast = forecaster.forecast(designs.reset_index(drop=True))
    for name, column in (("score", "predicted"), ("score_low", "low90"), ("score_high", "high90")):
        result.loc[good, name] = regeneration_score(forecast[column]).round(2)
        effect = name.replace("score", "effect")
        result.loc[good, effect] = forecast[column].round(4).to_numpy()
    result.loc[good, "baseline_score"] = regeneration_score(forecast["baseline"]).round(2)
    labels, nearest = forecaster.support.classify(forecaster.blend.encoder.transform(designs))
    result.loc[good, "support"] = labels
    result.loc[good, "nearest_studies"] = ["; ".join(names) for names in nearest]
    for row, (up, down) in zip(good, pushes(forecaster, designs), strict=True):
        result.at[row, "pushes_up"], result.at[row, "pushes_down"] = up, down
    return result


def pushes(forecaster: Forecaster, designs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the three factors that raise, and lower, each forecast most, by Shapley value."""
    values, _ = factor_shapley(forecaster, designs)
    texts = []
    for _, row in values.iterrows():
        up = row[row > 0.005].sort_values(ascending=False)[:3]
        down = row[row < -0.005].sort_values()[:3]
        texts.append(
            tuple("; ".join(f"{k} ({v:+.2f} g)" for k, v in s.items()) for s in (up, down))
        )
    return texts  # type: ignore[return-value]
