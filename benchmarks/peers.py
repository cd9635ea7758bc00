"""The peers: what others would run on the same encoded designs, folds and weights."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from regencast.corpus import Corpus
from regencast.designs import DesignEncoder
from regencast.effects import Effects
from regencast.models import RandomEffectsMean

HERE = Path(__file__).resolve().parent
PENALTIES = np.logspace(0, 4, 13)


def _ridge() -> Any:
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), RidgeCV(PENALTIES)
    )


def _forest() -> Any:
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        RandomForestRegressor(500, min_samples_leaf=3, max_features=1 / 3, random_state=1),
    )


def _boosting() -> Any:
    return make_pipeline(
        XGBRegressor(
            n_estimators=200, learning_rate=0.05, max_depth=3, subsample=0.7, random_state=1
        )
    )


PEERS: dict[str, Callable[[], Any]] = {
    "ridge": _ridge,
    "random forest": _forest,
    "boosted trees": _boosting,
}


def cross_validated(corpus: Corpus, effects: Effects, folds: np.ndarray) -> pd.DataFrame:
    """Return every peer's held-out forecasts, one column each, on the measured rows' designs."""
    held = pd.DataFrame(np.nan, index=range(len(corpus)), columns=list(PEERS))
    for fold in dict.fromkeys(folds):
        train = np.flatnonzero((folds != fold) & effects.measured)
        test = np.flatnonzero(folds == fold)
        frame = corpus.frame.iloc[train]
        encoder = DesignEncoder(corpus.schema).fit(frame, corpus.studies[train])
        X, y = encoder.transform(frame), effects.point[train]
        base = RandomEffectsMean().fit(X, effects.take(train).targets())
        weight = 1 / (effects.variance[train] + base.tau2_)
        new = encoder.transform(corpus.frame.iloc[test])
        for name, build in PEERS.items():
            model = build()
            model.fit(X, y, **{f"{model.steps[-1][0]}__sample_weight": weight})
            held.loc[test, name] = model.predict(new)
    return held


def from_r(corpus: Corpus, effects: Effects, folds: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """Return held-out forecasts of R's peers, and a word on each that could not run.

    Returns
    -------
    held : pandas.DataFrame
        ``metafor`` and ``MetaForest`` where R has the package.
    skipped : list of str
    """
    if shutil.which("Rscript") is None:
        return pd.DataFrame(), ["metafor and MetaForest skipped: there is no Rscript"]
    designs = corpus.frame[[field.name for field in corpus.schema.design]]
    table = designs.assign(
        yi_=effects.point, vi_=effects.variance, study_=corpus.studies, fold_=folds
    )
    with tempfile.TemporaryDirectory() as scratch:
        given, made = Path(scratch) / "in.csv", Path(scratch) / "out.csv"
        table.to_csv(given, index=False)
        done = subprocess.run(
            ["Rscript", "--vanilla", str(HERE / "peers.R"), str(given), str(made)],
            capture_output=True,
            text=True,
            check=False,
        )
        skipped = [line for line in done.stdout.splitlines() if "skipped" in line]
        if done.returncode:
            return pd.DataFrame(), [f"R's peers skipped: {done.stderr.strip().splitlines()[-1]}"]
        return pd.read_csv(made), skipped


def from_autogluon(
    corpus: Corpus, effects: Effects, folds: np.ndarray, seconds: int = 60
) -> tuple[pd.DataFrame, list[str]]:
    """Return AutoGluon's held-out forecasts, or a word on why it could not run."""
    if importlib.util.find_spec("autogluon") is None:
        return pd.DataFrame(), ["AutoGluon skipped: it is not installed"]
    from autogluon.tabular import TabularPredictor

    designs = corpus.frame[[field.name for field in corpus.schema.design]]
    held = pd.DataFrame({"AutoGluon": np.full(len(corpus), np.nan)})
    base = RandomEffectsMean().fit(np.zeros((len(corpus), 1)), effects.targets())
    table = designs.assign(yi_=effects.point, w_=1 / (effects.variance + base.tau2_))
    for fold in dict.fromkeys(folds):
        train = table[(folds != fold) & effects.measured]
        with tempfile.TemporaryDirectory() as scratch:
            model = TabularPredictor("yi_", path=scratch, sample_weight="w_", verbosity=0)
            model.fit(train, time_limit=seconds)
            held.loc[folds == fold, "AutoGluon"] = model.predict(designs[folds == fold]).to_numpy()
    return held, []
