"""Whether a corpus can teach a model of an experiment at all."""

from __future__ import annotations

import numpy as np

from regencast.corpus import Corpus
from regencast.effects import Effects
from regencast.errors import fail
from regencast.training.experiment import Experiment

#: Fewest studies with evidence from which inner folds can be made, each with something to learn.
LEAST_STUDIES = 4


def require_teachable(corpus: Corpus, effects: Effects, experiment: Experiment) -> None:
    """Refuse a corpus with too few studies, and a baseline by a column that has no levels.

    Raises
    ------
    FaultyInput
        If fewer than four studies say anything of an effect, or ``baseline_by`` names no category.
    """
    categories = [field.name for field in corpus.schema.design if field.kind == "category"]
    if experiment.baseline_by and experiment.baseline_by not in categories:
        raise fail(
            experiment.file or experiment.name,
            "the corpus has no such category",
            f"Use one of {', '.join(categories)}, or leave it empty",
            column="baseline_by",
            value=experiment.baseline_by,
        )
    studies = np.unique(corpus.studies[effects.informative].astype(str))
    if len(studies) < LEAST_STUDIES:
        raise fail(
            corpus.folder,
            f"only {len(studies)} studies to learn from say anything of an effect",
            f"At least {LEAST_STUDIES} are needed, and far more to learn anything of use",
        )


def require_rest_teachable(corpus: Corpus, effects: Effects, folds: np.ndarray) -> None:
    """Refuse folds of which one leaves too few studies to learn from.

    Raises
    ------
    FaultyInput
        If without some fold fewer than four studies say anything of an effect.
    """
    for fold in dict.fromkeys(folds):
        rest = corpus.studies[effects.informative & (folds != fold)]
        studies = np.unique(rest.astype(str))
        if len(studies) < LEAST_STUDIES:
            raise fail(
                corpus.folder,
                f"without fold {fold} only {len(studies)} studies that say anything of an effect "
                "are left to learn from",
                f"At least {LEAST_STUDIES} are needed: make more folds (outer_folds) of fewer "
                "studies, or add studies",
            )
