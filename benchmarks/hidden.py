"""What weak evidence is worth: hide the numbers of most studies, or what their spread is.

Either only direction and significance stay, or the means and their spreads do too, without a word
whether these are SDs or, as in half of the studies, standard errors.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from common import keep, need, show
from regencast.corpus import Corpus, read_corpus
from regencast.effects import Effects, critical_g, read_effects
from regencast.training import Experiment, cross_validate, fit_forecaster, skill, study_folds

REPEATS = 6
FOLDS = 5
SHARES = (0.9, 0.7)


def without_numbers(corpus: Corpus, effects: Effects, hidden: np.ndarray) -> Effects:
    """Return effects of which the hidden rows keep direction and significance alone."""
    sizes = (corpus.role(role).to_numpy(dtype=float) for role in ("n_treated", "n_control"))
    bound = critical_g(*sizes)
    g = effects.point
    significant = np.abs(g) >= bound
    lower = np.where(significant, np.where(g > 0, bound, -np.inf), -bound)
    upper = np.where(significant, np.where(g > 0, np.inf, -bound), bound)
    return Effects(
        np.where(hidden, np.nan, g),
        np.where(hidden, lower, effects.lower),
        np.where(hidden, upper, effects.upper),
        effects.variance,
        np.where(hidden, "direction", effects.kind).astype(object),
        effects.better,
    )


def without_kinds(package: Path, blinded: Effects, hidden: np.ndarray, sem: np.ndarray) -> Effects:
    """Return the effects of the package as read where hidden rows do not say what their +- is.

    Direction and significance are those of the blinded effects; rows of ``sem`` report standard
    errors.
    """
    descriptor = json.loads((package / "datapackage.json").read_text())
    resource = descriptor["resources"][0]
    table = pd.read_csv(package / resource["path"], dtype=str, keep_default_na=False)
    for arm in ("treated", "control"):
        spread, n = (table[f"{name}_{arm}"].astype(float) for name in ("sd", "n"))
        table[f"sd_{arm}"] = np.where(sem, spread / np.sqrt(n), spread)
    lower, upper = blinded.lower, blinded.upper
    told = {
        "dispersion": np.where(sem, "sem", "sd"),
        "direction": np.select([lower > 0, upper < 0], ["better", "worse"], "no_difference"),
        "significance": np.where((lower > 0) | (upper < 0), "significant", "not_significant"),
    }
    for name, values in told.items():
        resource["schema"]["fields"].append({"name": name, "type": "string", "role": name})
        blank = hidden if name == "dispersion" else ~hidden
        table[name] = np.where(blank, "", values)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "datapackage.json").write_text(json.dumps(descriptor))
        table.to_csv(Path(folder, resource["path"]), index=False)
        return read_effects(read_corpus(folder))


def forecasts(corpus: Corpus, effects: Effects, folds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return held-out forecasts of every row by models of some rows of the other folds."""
    held = np.empty(len(corpus))
    for fold in np.unique(folds):
        train = np.flatnonzero((folds != fold) & rows)
        forecaster, _ = fit_forecaster(corpus.take(train), effects.take(train), Experiment())
        held[folds == fold] = forecaster.blend.predict(corpus.frame[folds == fold])
    return held


def one_repeat(corpus: Corpus, effects: Effects, seed: int) -> list[dict]:
    """Return R2cv of the three regimes for each share of hidden studies, on the same folds."""
    folds = study_folds(corpus.studies, FOLDS, seed)
    every = np.full(len(corpus), True)
    table = cross_validate(corpus, Experiment(), folds, jobs=1)

    def r2(predicted: np.ndarray) -> float:
        # One yardstick for all: the error of the baseline that saw every number.
        return skill(table.assign(predicted=predicted))["r2cv"]

    rows = []
    studies = np.unique(corpus.studies)
    for share in SHARES:
        rng = np.random.default_rng(seed)
        gone = rng.choice(studies, round(share * len(studies)), replace=False)
        hidden = np.isin(corpus.studies, gone)
        blinded = without_numbers(corpus, effects, hidden)
        sem = np.isin(corpus.studies, rng.choice(studies, len(studies) // 2, replace=False))
        unclear = without_kinds(need("ssri_anxiety"), blinded, hidden, sem)
        rows.append(
            {
                "seed": seed,
                "hidden": share,
                "numbers alone": r2(forecasts(corpus, effects, folds, ~hidden)),
                "numbers and directions": r2(forecasts(corpus, blinded, folds, every)),
                "numbers and unclear spreads": r2(forecasts(corpus, unclear, folds, every)),
                "all numbers": skill(table)["r2cv"],
            }
        )
    return rows


def main() -> None:
    """Measure, print and keep."""
    warnings.filterwarnings("ignore", category=UserWarning)
    corpus = read_corpus(need("ssri_anxiety"))
    effects = read_effects(corpus)
    parts = Parallel(n_jobs=2)(
        delayed(one_repeat)(corpus, effects, seed) for seed in range(REPEATS)
    )
    runs = pd.DataFrame([row for part in parts for row in part])
    mean = runs.groupby("hidden").mean().drop(columns="seed")
    for name in ("directions", "unclear spreads"):
        mean[f"share with {name}"] = mean[f"numbers and {name}"] / mean["all numbers"]
    show(
        f"R2cv on ssri_anxiety, mean of {REPEATS} repeats of {FOLDS} folds",
        ("studies without numbers", *mean.columns),
        [
            (f"{share:.0%}", *map(float, row))
            for share, row in zip(mean.index, mean.to_numpy(), strict=True)
        ],
    )
    keep("hidden", {"mean": mean.reset_index().to_dict("records"), "runs": runs.to_dict("records")})


if __name__ == "__main__":
    main()
