"""R2cv, coverage and width on real corpora, beside the peers, on the same held-out studies."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd

from common import PACKAGES, keep, need, show
from peers import cross_validated, from_autogluon, from_r
from regencast.corpus import read_corpus
from regencast.effects import read_effects
from regencast.training import Experiment, cross_validate, judge, read_folds, skill


def measure(name: str) -> dict:
    """Return the program's and the peers' results on one package."""
    folder = need(name)
    corpus = read_corpus(folder)
    effects = read_effects(corpus)
    folds = read_folds(folder / "folds.csv", corpus)
    start = time.perf_counter()
    table = cross_validate(corpus, Experiment(), folds)
    seconds = time.perf_counter() - start
    r2 = {"regencast": skill(table)["r2cv"]}
    r_held, skipped = from_r(corpus, effects, folds)
    auto_held, more = from_autogluon(corpus, effects, folds)
    skipped += more
    r_held = r_held.drop(columns="row", errors="ignore")
    for held in (cross_validated(corpus, effects, folds), r_held, auto_held):
        for peer in held:
            if held[peer].notna().all():
                r2[str(peer)] = skill(table.assign(predicted=held[peer]))["r2cv"]
    verdict = judge(table)
    return {
        "contrasts": len(corpus),
        "studies": len(np.unique(corpus.studies)),
        "seconds": round(seconds, 1),
        "r2cv": r2,
        "skill": skill(table),
        "verdict": verdict.sentence,
        "r2cv_interval90": [verdict.low, verdict.high],
        "support": by_support(table),
        "skipped": skipped,
    }


def by_support(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return held-out error by class of support: absolute, and relative to the baseline's.

    The classes differ in how noisy their rows are (far designs may come from larger studies), so
    that the error in g alone does not tell what distance costs.
    """
    rows = table[table["observed"].notna()]
    error = (rows["observed"] - rows["predicted"]).abs()
    null_error = (rows["observed"] - rows["baseline"]).abs()
    width = rows["high90"] - rows["low90"]
    inside = (rows["observed"] >= rows["low90"]) & (rows["observed"] <= rows["high90"])
    classes = {}
    for name in ("supported", "sparse", "extrapolating"):
        here = rows["support"] == name
        if here.any():
            classes[name] = {
                "contrasts": int(here.sum()),
                "studies": int(rows["study_id"][here].nunique()),
                "mae": float(error[here].mean()),
                "mae_over_baseline": float(error[here].mean() / null_error[here].mean()),
                "width90": float(width[here].mean()),
                "coverage90": float(inside[here].mean()),
            }
    return classes


def main() -> None:
    """Measure every package, print and keep the tables."""
    warnings.filterwarnings("ignore", category=UserWarning)
    results = {name: measure(name) for name in PACKAGES}
    peers = list(dict.fromkeys(p for r in results.values() for p in r["r2cv"]))
    show(
        "R2cv on held-out studies",
        ("package", "contrasts / studies", *peers, "seconds"),
        [
            (
                name,
                f"{r['contrasts']} / {r['studies']}",
                *(r["r2cv"].get(p, "skipped") for p in peers),
                r["seconds"],
            )
            for name, r in results.items()
        ],
    )
    show(
        "90 % intervals",
        ("package", "coverage, rows", "coverage, studies", "width", "width / baseline's"),
        [
            (
                name,
                *(
                    r["skill"][k]
                    for k in ("coverage90", "coverage90_by_study", "width90", "width_ratio")
                ),
            )
            for name, r in results.items()
        ],
    )
    show(
        "Error by support",
        (
            "package",
            "support",
            "contrasts",
            "studies",
            "MAE",
            "MAE / baseline's",
            "width",
            "coverage",
        ),
        [
            (name, kind, *values.values())
            for name, r in results.items()
            for kind, values in r["support"].items()
        ],
    )
    for name, result in results.items():
        print(f"{name}: {result['verdict']}")
        print(*result["skipped"], sep="\n", end="\n" if result["skipped"] else "")
    keep("skill", results)


if __name__ == "__main__":
    main()
