"""How long help, training and scoring take."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from common import keep, need, show
from regencast.corpus import read_corpus
from regencast.effects import read_effects
from regencast.training import Experiment, fit_forecaster

DESIGNS = 100_000


def fastest(call, times: int = 3) -> float:
    """Return the shortest of some runs, in seconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    """Measure, print and keep."""
    warnings.filterwarnings("ignore", category=UserWarning)
    program = Path(sys.executable).parent / "regencast"
    ask = fastest(lambda: subprocess.run([program, "--help"], capture_output=True, check=True), 5)
    corpus = read_corpus(need("ssri_anxiety"))
    effects = read_effects(corpus)
    train = fastest(lambda: fit_forecaster(corpus, effects, Experiment()), 1)
    forecaster, _ = fit_forecaster(corpus, effects, Experiment())
    picked = np.random.default_rng(0).integers(0, len(corpus), DESIGNS)
    X = forecaster.blend.encoder.transform(corpus.frame)[picked]
    designs = corpus.frame.iloc[picked].reset_index(drop=True)
    raw = fastest(lambda: forecaster.blend.predict_encoded(X), 1)
    full = fastest(lambda: forecaster.forecast(designs), 1)
    rows = [
        ("regencast --help", ask, 0.5),
        ("training on ssri_anxiety", train, 60.0),
        (f"raw model on {DESIGNS} encoded designs", raw, ""),
        (f"forecast of {DESIGNS} designs with interval and support", full, ""),
    ]
    show("Seconds", ("what", "seconds", "goal"), rows)
    keep("speed", [dict(zip(("what", "seconds", "goal"), row, strict=True)) for row in rows])


if __name__ == "__main__":
    main()
