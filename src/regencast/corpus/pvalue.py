"""P-values as papers write them."""

from __future__ import annotations

import re

import pandas as pd

#: The level at which a test is called significant.
LEVEL = 0.05
NOT_SIGNIFICANT = ("ns", "n.s.")
WRITTEN = re.compile(r"([<>≤≥=]?)=?(0?\.\d+|[01](?:\.0+)?|\d+(?:\.\d+)?e-\d+)")


def is_p(text: object) -> bool:
    """Return whether a text is a p-value as papers write it.

    Parameters
    ----------
    text : object

    Examples
    --------
    >>> [is_p(p) for p in ("<0.01", "P = 0.2", "ns", "2", "n. d.")]
    [True, True, True, False, False]
    """
    word = _bare(text)
    return word in NOT_SIGNIFICANT or WRITTEN.fullmatch(word) is not None


def _bare(text: object) -> str:
    return str(text).strip().lower().replace("p", "").replace(" ", "")


def read_p(text: object) -> bool | None:
    """Return whether a reported p-value is significant; None where it does not tell.

    Parameters
    ----------
    text : object
        A p-value as written, or a missing value.

    Returns
    -------
    bool or None
        Whether it is below 0.05. None for what cannot be read, for a bound that leaves it open, and
        for 0.05 itself, which some call significant.

    Examples
    --------
    >>> [read_p(p) for p in ("<0.01", "0.2", "ns", "", ">0.05", "<0.1", "0.05")]
    [True, False, False, None, False, None, None]
    """
    if text is None or pd.isna(text):
        return None
    word = _bare(text)
    if word in NOT_SIGNIFICANT:
        return False
    match = WRITTEN.fullmatch(word)
    if match is None:
        return None
    value = float(match[2])
    if match[1] in ("<", "≤"):
        return True if value <= LEVEL else None
    if match[1] in (">", "≥"):
        return False if value >= LEVEL else None
    return None if value == LEVEL else value < LEVEL
