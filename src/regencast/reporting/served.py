"""The model as MLflow serves it: a frame of designs in, the columns of ``score`` out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from regencast.forecasting import score_designs
from regencast.training import Forecaster, load_forecaster


class Served:
    """What MLflow calls."""

    def __init__(self, forecaster: Forecaster) -> None:
        self.forecaster = forecaster

    def predict(self, model_input: pd.DataFrame, params: dict | None = None) -> pd.DataFrame:
        """Return the forecasts of designs, without their own columns."""
        frame = model_input.astype(object).where(model_input.notna(), None)
        frame.index = pd.RangeIndex(2, len(frame) + 2)
        scored = score_designs(self.forecaster, frame, "request")
        return scored.drop(columns=list(frame.columns)).reset_index(drop=True)


def _load_pyfunc(data_path: str) -> Served:
    """Load for MLflow."""
    folder = next(Path(data_path).rglob("MANIFEST")).parent
    return Served(load_forecaster(folder))
