"""Outer folds: every contrast forecast by a model that never saw its study."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from regencast.corpus import Corpus
from regencast.effects import Effects, read_effects
from regencast.errors import fail
from regencast.tasks import run_each
from regencast.training.enough import require_rest_teachable, require_teachable
from regencast.training.experiment import Experiment
from regencast.training.forecaster import fit_forecaster


def cross_validate(
    corpus: Corpus,
    experiment: Experiment,
    folds: np.ndarray,
    jobs: int = 2,
    progress: Callable[[], None] = lambda: None,
    cluster: str | None = None,
    read: Callable[[Corpus], Effects] = read_effects,
) -> pd.DataFrame:
    """Forecast each fold from the others.

    What a row's effect borrows from the corpus (a usual group size, an outcome's usual spread)
    is borrowed from the training studies alone.

    Parameters
    ----------
    corpus : Corpus
    experiment : Experiment
    folds : ndarray, shape (n,)
    jobs : int, default 2
        Processes; the numbers do not depend on it.
    progress : callable
        Called after each fold.
    cluster : str, optional
        As in `run_each`.
    read : callable
        Gives the effects of a corpus's rows.

    Returns
    -------
    pandas.DataFrame
        One row per contrast, in the corpus's order: contrast_id, study_id, fold, observed,
        observed_lower, observed_upper, variance, baseline, predicted, low90, high90; then
        true_sd, remoteness and support, as `Forecaster.forecast` gives them; then observed_better,
        as `Effects.better`.

    Raises
    ------
    FaultyInput
        If there is only one fold, or the corpus, or what a fold leaves of it, cannot teach a model
        of the experiment.
    """
    names = list(dict.fromkeys(folds))
    if len(names) < 2:
        raise fail(corpus.folder, "all contrasts are of one study or fold: nothing can be held out",
                   "Add studies")  # fmt: skip
    effects = read(corpus)
    require_teachable(corpus, effects, experiment)
    require_rest_teachable(corpus, effects, folds)
    tasks = [(folds == name,) for name in names]
    parts = []
    for part in run_each(_one_fold, (corpus, experiment, read), tasks, jobs, cluster):
        parts.append(part)
        progress()
    forecast = pd.concat(parts).sort_index()
    table = pd.DataFrame(
        {
            "contrast_id": corpus.contrasts,
            "study_id": corpus.studies,
            "fold": folds,
            "observed": np.where(effects.measured, effects.point, np.nan),
            "observed_lower": effects.lower,
            "observed_upper": effects.upper,
            "variance": effects.variance,
        }
    )
    return table.join(forecast).assign(observed_better=effects.better)


def _one_fold(
    corpus: Corpus, experiment: Experiment, read: Callable[[Corpus], Effects], test: np.ndarray
) -> pd.DataFrame:
    seen = corpus.take(~test)
    forecaster, _ = fit_forecaster(seen, read(seen), experiment)
    forecast = forecaster.forecast(corpus.frame[test].reset_index(drop=True))
    return forecast.set_index(np.flatnonzero(test))
