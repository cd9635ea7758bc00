"""One order of a corpus's rows, whatever the order of its file."""

from __future__ import annotations

import numpy as np

from regencast.corpus import Corpus


def contrast_order(corpus: Corpus) -> np.ndarray:
    """Return the rows of a corpus in the order of its contrasts' identifiers.

    The order of a file says nothing, but trees and resamples would draw other ones of its rows.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    return np.argsort(corpus.contrasts.astype(str), kind="stable")
