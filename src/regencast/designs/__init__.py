"""Designs: frames of designs in, numbers for estimators out; every number remembers its factor.

Comes in: designs with the columns of a `Schema`.
Goes out: a matrix and its `Feature` list; normalised doses.
Must not know: outcomes, models, folds.
"""

from regencast.designs.dose import normalise_dose
from regencast.designs.encoder import NOT_REPORTED, DesignEncoder, Feature

__all__ = ["NOT_REPORTED", "DesignEncoder", "Feature", "normalise_dose"]
