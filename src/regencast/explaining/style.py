"""How every picture looks: names as a scientist writes them, colours that everyone can tell."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

#: Okabe and Ito's palette, safe for colour-blind readers.
BLUE, ORANGE, GREEN, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#56B4E9", "#E69F00"
GREY, PALE = "#777777", "#CCCCCC"
DPI = 130
#: Words of column names and levels that a scientist writes in capitals.
ACRONYMS = {
    word.lower(): word
    for word in (
        "EV EVs OA SCI OVX AKI MCAO ECM BMSC ADSC UCMSC MSC iPSC ESC EPC DPSC MRI LVEF BMD ALP "
        "miRNA siRNA lncRNA circRNA mRNA RNase LPS 3D DNA OARSI ACLT DMM TBI ALI CKD PBS BV/TV"
    ).split()
}


def readable(name: str) -> str:
    """Return a column's name as a scientist writes it.

    Examples
    --------
    >>> readable("ev_source")
    'EV source'
    >>> readable("group size")
    'Group size'
    """
    text = _spelled(name)
    return text[:1].upper() + text[1:]


def readable_level(level: object, width: int = 28) -> str:
    """Return a level as text for an axis, shortened to a width.

    Examples
    --------
    >>> readable_level("hydrogel_natural"), readable_level("bv_tv")
    ('hydrogel natural', 'BV/TV')
    """
    if level is None or level != level:
        return "not reported"
    if isinstance(level, float):
        return f"{level:g}"
    return textwrap.shorten(_spelled(str(level).replace("+", " + ")), width, placeholder="...")


def _spelled(name: str) -> str:
    words = name.replace("bv_tv", "bv/tv").replace("_", " ").split()
    return " ".join(ACRONYMS.get(word.lower(), word) for word in words)


def new_figure(width: float, height: float) -> tuple[Figure, plt.Axes]:
    """Return a figure and its axis, laid out so that no label is cut."""
    return plt.subplots(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        figure.savefig(part, dpi=DPI, format="png")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        plt.close(figure)
    return path
