"""P-values as papers write them."""

from __future__ import annotations

import re

import pandas as pd

#: The level at which a test is called significant.
LEVEL = 0.05
NOT_SIGNIFICANT = ("ns", "n.s", "ns.", "n.s.")
#: Signs that papers print in the place of plain ones.
SIGNS = str.maketrans(
    {"·": ".", "−": "-", "–": "-", "×": "x", "‹": "<", "›": ">", "⩽": "≤", "⩾": "≥"}  # noqa: RUF001
)
WRITTEN = re.compile(r"([<>≤≥]?)=?(\d*\.?\d+)(?:(?:e|x?10\^?)(-\d+))?", re.ASCII)


def is_p(text: object) -> bool:
    """Return whether a text is a p-value as papers write it.

    Parameters
    ----------
    text : object

    Examples
    --------
    >>> [is_p(p) for p in ("<0.01", "P = 0.2", "p = ns", "1.2 x 10-5", "2", "n. d.")]
    [True, True, True, True, False, False]
    """
    return _parsed(text) is not None


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
    parsed = None if text is None or pd.isna(text) else _parsed(text)
    if parsed is None:
        return None
    relation, value = parsed
    if relation in ("<", "≤"):
        return True if value <= LEVEL else None
    if relation in (">", "≥"):
        return False if value >= LEVEL else None
    return None if value == LEVEL else value < LEVEL


def _parsed(text: object) -> tuple[str, float] | None:
    """Return the relation and the number of a p-value, "not significant" as one of 1."""
    word = re.sub(r"\s+", "", str(text).casefold().translate(SIGNS))
    word = re.sub(r"^p(-?value)?", "", word).rstrip("*")
    if word.removeprefix("=") in NOT_SIGNIFICANT:
        return "", 1.0
    match = WRITTEN.fullmatch(word.removeprefix("="))
    if match is None:
        return None
    value = float(match[2]) * 10.0 ** int(match[3] or 0)
    # Nothing is less likely than never, nor likelier than surely.
    possible = 0 < value <= 1 if match[1] in ("<", "≤") else value <= 1
    return (match[1], value) if possible else None
