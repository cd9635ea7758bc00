"""Where marks stand on a chart: numbers in, percent of the chart's width and height out.

The charts are SVG whose coordinates are percentages, so that they fit a phone without their text
getting smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from ``low`` to ``high``, drawn from 0 to 100 %."""

    low: float
    high: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return where a value stands, in percent, kept on the chart."""
        low, high, here = (
            (np.log10(max(x, 1e-300)) for x in (self.low, self.high, value))
            if self.log
            else (self.low, self.high, value)
        )
        return float(np.clip(100 * (here - low) / ((high - low) or 1.0), 0, 100))

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values along the axis."""
        if self.log:
            powers = np.arange(np.ceil(np.log10(self.low)), np.floor(np.log10(self.high)) + 1)
            return [float(10.0**power) for power in powers] or [self.low, self.high]
        step = _round_step((self.high - self.low) / max(count - 1, 1))
        first = np.ceil(self.low / step - 1e-9) * step
        return [float(x) for x in np.arange(first, self.high + step * 1e-6, step)]


def axis_over(values: Sequence[float], room: float = 0.06, least: float = 0.0) -> Axis:
    """Return an axis that holds all values with some room at both ends.

    Parameters
    ----------
    values : sequence of float
    room : float, default 0.06
        Share of the width left free at each end.
    least : float, default 0
        Width that it has at least.
    """
    known = [value for value in values if np.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    grow = max(least - (high - low), 0.0) / 2
    edge = room * (high - low + 2 * grow) or 0.5
    return Axis(low - grow - edge, high + grow + edge)


@dataclass(frozen=True)
class Curve:
    """A line with its band: corner points of two shapes in a square of 100 by 100."""

    line: str
    band: str
    x: Axis
    y: Axis


def draw_curve(table: pd.DataFrame) -> Curve:
    """Return the curve of a sweep: value against score, score_low and score_high."""
    values = table["value"].to_numpy(dtype=float)
    x = Axis(values[0], values[-1], log=bool(values[-1] > 10 * values[0] > 0))
    y = Axis(0, 100)
    across = [x(value) for value in values]
    line, low, high = (
        [(a, 100 - y(b)) for a, b in zip(across, table[name], strict=True)]
        for name in ("score", "score_low", "score_high")
    )
    return Curve(_points(line), _points([*low, *high[::-1]]), x, y)


def _points(pairs: list[tuple[float, float]]) -> str:
    return " ".join(f"{a:.2f},{b:.2f}" for a, b in pairs)


def _round_step(step: float) -> float:
    """Return the next of 1, 2, 5, 10, ... that is not smaller."""
    if step <= 0:
        return 1.0
    power = 10 ** np.floor(np.log10(step))
    return float(power * next(one for one in (1, 2, 5, 10) if one * power >= step * (1 - 1e-9)))
