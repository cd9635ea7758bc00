"""How every picture looks: one size, one way to save it, colours that everyone can tell."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

#: Of Okabe and Ito's palette, safe for colour-blind readers.
BLUE, ORANGE, YELLOW = "#0072B2", "#D55E00", "#E69F00"
GREY, PALE = "#777777", "#CCCCCC"
DPI = 130


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
