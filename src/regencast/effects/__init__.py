"""Effects: a corpus in, what each contrast says of Hedges' g out.

Comes in: a `Corpus`.
Goes out: `Effects` (point, lower, upper, variance per contrast) and the score of an effect.
Must not know: features, models, folds.
"""

from regencast.effects.evidence import Effects, read_effects
from regencast.effects.hedges import (
    critical_g,
    hedges_g,
    hedges_variance,
    regeneration_score,
    small_sample_correction,
    to_sd,
)

__all__ = [
    "Effects",
    "critical_g",
    "hedges_g",
    "hedges_variance",
    "read_effects",
    "regeneration_score",
    "small_sample_correction",
    "to_sd",
]
