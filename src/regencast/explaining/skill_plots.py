"""Pictures of held-out skill: observed against forecast, reliability of directions, coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from regencast.explaining.style import BLUE, GREY, ORANGE, new_figure, save

LEVEL = 0.90
BINS = 8
#: Fewer held-out studies with numbers draw no picture of skill in size.
MIN_STUDIES = 10


def draw_observed(table: pd.DataFrame, path: Path) -> Path | None:
    """Draw observed against forecast effects of held-out measured contrasts; None with few."""
    rows = table[table["observed"].notna()]
    if rows["study_id"].nunique() < MIN_STUDIES:
        return None
    figure, axis = new_figure(6.2, 5.4)
    inside = (rows["observed"] >= rows["low90"]) & (rows["observed"] <= rows["high90"])
    for kept, colour, label in (
        (inside, BLUE, "inside its 90 % interval"),
        (~inside, ORANGE, "outside"),
    ):
        axis.plot(rows["predicted"][kept], rows["observed"][kept], "o", ms=4, alpha=0.55, mew=0,
                  color=colour, label=label)  # fmt: skip
    reach = [rows["predicted"].min(), rows["predicted"].max()]
    axis.plot(reach, reach, color=GREY, lw=1)
    low, high = rows["observed"].quantile([0.005, 0.995])
    axis.set_ylim(min(low, 0) - 0.5, high + 0.5)
    axis.set_xlabel("Forecast by a model that never saw the study (Hedges' g)")
    axis.set_ylabel("Observed (Hedges' g)")
    axis.legend(frameon=False, fontsize=9)
    title = f"{len(rows)} measured contrasts of {rows['study_id'].nunique()} held-out studies"
    axis.set_title(title, loc="left", fontsize=10)
    return save(figure, path)


def draw_reliability(table: pd.DataFrame, path: Path) -> Path | None:
    """Draw how often "better" was observed against the forecast chance of it; None with too few.

    The chance that the observed effect is above zero is Phi(forecast / sqrt(true_sd^2 + v)); a
    study that found no difference counts half, for it lies as likely a little above as below.
    """
    known = table[table["observed_better"].notna()]
    if len(known) < 5 * BINS:
        return None
    chance = norm.cdf(known["predicted"] / np.sqrt(known["true_sd"] ** 2 + known["variance"]))
    bins = pd.qcut(chance, BINS, duplicates="drop", labels=False)
    cells = pd.DataFrame(
        {"bin": bins, "chance": chance, "better": known["observed_better"]}
    ).groupby("bin")
    mean, share, count = cells["chance"].mean(), cells["better"].mean(), cells.size()
    # Wilson's interval of a share (Wilson 1927, J Am Stat Assoc 22:209-212).
    z2 = norm.ppf(0.5 + LEVEL / 2) ** 2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    figure, axis = new_figure(5.8, 5.2)
    axis.plot([0, 1], [0, 1], color=GREY, lw=1)
    axis.vlines(mean, centre - half, centre + half, color=BLUE)
    axis.plot(mean, share, "o", color=BLUE)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_xlabel("Forecast chance that the treated group does better")
    axis.set_ylabel("Share in which it did (no difference: half)")
    axis.set_title(f"{len(known)} held-out contrasts in {len(mean)} groups, 90 % intervals",
                   loc="left", fontsize=10)  # fmt: skip
    return save(figure, path)


def draw_coverage(table: pd.DataFrame, path: Path) -> Path | None:
    """Draw coverage of the 90 % interval by support and height of forecast; None with few rows."""
    rows = table[table["observed"].notna()]
    if rows["study_id"].nunique() < MIN_STUDIES:
        return None
    inside = (rows["observed"] >= rows["low90"]) & (rows["observed"] <= rows["high90"])
    groups = {f"support: {name}": rows["support"] == name for name in rows["support"].unique()}
    if np.ptp(rows["predicted"]) > 1e-9:
        thirds = pd.qcut(
            rows["predicted"].rank(method="first"), 3, labels=["low", "middle", "high"]
        )
        groups |= {f"forecast: {name}": thirds == name for name in ("low", "middle", "high")}
    groups["all"] = pd.Series(True, rows.index)
    names = list(groups)
    shares = [float(inside[groups[name]].mean()) for name in names]
    figure, axis = new_figure(6.2, 0.42 * len(names) + 1.6)
    axis.barh(names, shares, color=BLUE, height=0.6)
    axis.axvline(LEVEL, color=ORANGE, lw=1.5)
    for y, (name, share) in enumerate(zip(names, shares, strict=True)):
        axis.text(share - 0.02, y, f"{share:.0%} of {int(groups[name].sum())}", va="center",
                  ha="right", color="white", fontsize=8)  # fmt: skip
    axis.set_xlim(0, 1)
    axis.set_xlabel("Share of held-out effects inside their 90 % interval (line: 90 %)")
    return save(figure, path)
