"""A candidate of an experiment: a family of models with its settings, checked as they are read."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regencast.errors import fail
from regencast.models import (
    CensoredRidge,
    IntervalBoosting,
    IntervalForest,
    RandomEffectsMean,
    StudyProcess,
)
from regencast.models.residual import ResidualRegressor

FAMILIES: dict[str, type[ResidualRegressor]] = {
    "ridge": CensoredRidge,
    "boosting": IntervalBoosting,
    "forest": IntervalForest,
    "process": StudyProcess,
}
#: What each setting may be; the others are yes or no.
WHOLE = {
    "max_depth": (1, 64),
    "n_estimators": (1, 100_000),
    "min_samples_leaf": (1, 1_000_000),
    "n_passes": (1, 100),
}
ABOVE_ZERO = {
    "reach": 1e6,
    "learning_rate": 1.0,
    "colsample": 1.0,
    "subsample": 1.0,
    "max_features": 1.0,
}
FROM_ZERO = {"min_child_weight": 1e6, "reg_lambda": 1e6}
#: What the program sets itself.
OWN = ("baseline", "random_state")


@dataclass(frozen=True)
class Candidate:
    """A family with its settings."""

    family: str
    settings: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        """The name under which it is tracked."""
        return " ".join([self.family, *(f"{key}={value}" for key, value in self.settings)])

    def build(self, seed: int, baseline: RandomEffectsMean | None = None) -> ResidualRegressor:
        """Return the unfitted estimator, which starts from the baseline."""
        family = FAMILIES[self.family]
        settings = {**dict(self.settings), "baseline": baseline}
        if "random_state" in inspect.signature(family).parameters:
            settings["random_state"] = seed
        return family(**settings)


def read_candidates(path: Path, entries: Any) -> tuple[Candidate, ...]:
    """Read the candidates of an experiment file.

    Raises
    ------
    FaultyInput
        If they are no list of tables, or a family or setting is unknown or out of range.
    """
    listed = isinstance(entries, list) and entries
    if not listed or not all(isinstance(entry, dict) for entry in entries):
        raise fail(
            path,
            "it must be a list of tables with a family each",
            "See experiments/default.toml",
            column="candidates",
            value=str(entries),
        )
    return tuple(_candidate(path, entry) for entry in entries)


def _candidate(path: Path, entry: dict[str, Any]) -> Candidate:
    settings = {key: value for key, value in entry.items() if key != "family"}
    family = str(entry.get("family"))
    if family not in FAMILIES:
        raise fail(
            path,
            "the family is unknown",
            f"Use one of {', '.join(FAMILIES)}",
            column="family",
            value=family,
        )
    known = [name for name in inspect.signature(FAMILIES[family]).parameters if name not in OWN]
    for name, value in settings.items():
        if name not in known:
            raise fail(path, f"a setting of {family} is unknown", f"Use {', '.join(known)}",
                       column=name, value=str(value))  # fmt: skip
        wrong = _wrong(name, value)
        if family == "process" and name == "use_intervals" and value is True:
            wrong = "it must be false: a process learns from measured rows"
        if wrong:
            raise fail(path, wrong, "Correct it", column=name, value=str(value))
        if name in ABOVE_ZERO or name in FROM_ZERO:
            # To scikit-learn a whole 1 is a count, and 1.0 a share.
            settings[name] = float(value)
    return Candidate(family, tuple(settings.items()))


def _wrong(name: str, value: Any) -> str:
    """Return what is wrong with a setting; empty if nothing is."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in WHOLE:
        low, high = WHOLE[name]
        fits, rule = isinstance(value, int) and number, f"a whole number from {low} to {high}"
        fits = fits and low <= value <= high
    elif name in ABOVE_ZERO:
        most = ABOVE_ZERO[name]
        fits, rule = number and 0 < value <= most, f"a number above 0, at most {most:g}"
    elif name in FROM_ZERO:
        most = FROM_ZERO[name]
        fits, rule = number and 0 <= value <= most, f"a number from 0 to {most:g}"
    else:
        fits, rule = isinstance(value, bool), "true or false"
    return "" if fits else f"it must be {rule}"
