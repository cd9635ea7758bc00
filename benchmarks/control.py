"""Negative control: effects dealt anew to other designs must give no skill."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from common import PACKAGES, keep, need, show
from regencast.corpus import Corpus, read_corpus
from regencast.effects import Effects, read_effects
from regencast.training import Experiment, cross_validate, judge, skill, study_folds

REPEATS = 3


@dataclass(frozen=True)
class Dealt:
    """Reads, for every contrast, the effect of another one."""

    effects: Effects
    place: dict[str, int]

    def __call__(self, corpus: Corpus) -> Effects:
        """Return the effects that the contrasts were dealt."""
        return self.effects.take(np.array([self.place[name] for name in corpus.contrasts]))


def main() -> None:
    """Shuffle the effects among the rows, run the whole program, print and keep."""
    warnings.filterwarnings("ignore", category=UserWarning)
    rows = []
    for name in PACKAGES:
        corpus = read_corpus(need(name))
        effects = read_effects(corpus)
        for seed in range(REPEATS):
            dealt = np.random.default_rng(seed).permutation(len(corpus))
            folds = study_folds(corpus.studies, 10, seed)
            read = Dealt(effects, dict(zip(corpus.contrasts, dealt, strict=True)))
            table = cross_validate(corpus, Experiment(), folds, read=read)
            found = skill(table)
            rows.append((name, seed, found["r2cv"], found["coverage90"], str(judge(table).skilled)))
    head = ("package", "seed", "R2cv", "coverage", "skill claimed")
    show("Shuffled effects: R2cv should be zero", head, rows)
    keep("control", [dict(zip(head, row, strict=True)) for row in rows])


if __name__ == "__main__":
    main()
