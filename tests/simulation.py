"""Simulated EV corpora with known truth, with the roles of the shipped corpus.

Three factors matter (source, preconditioning, dose), source and preconditioning interact, and five
do not matter (tissue model, species, scaffold, route, follow-up). Two in five studies tell a
direction alone.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

REAL = ("ev_source", "preconditioning", "dose")
NULL = ("model", "species", "scaffold", "route", "follow_up_weeks")
SOURCE = {"BMSC": 0.0, "ADSC": 0.5, "UCMSC": 1.1}
PRECONDITIONING = {"none": 0.0, "hypoxia": 0.9, "drug": 0.4}
TOGETHER = 0.5
LEVELS = {
    "model": ("calvarial_defect", "fracture", "osteoporosis"),
    "species": ("rat", "mouse", "rabbit"),
    "scaffold": ("none", "hydrogel", "ceramic"),
    "route": ("local", "intravenous"),
}
FIELDS = (
    ("study_id", "study", None), ("contrast_id", "contrast", None),
    ("ev_source", "factor", "category"), ("preconditioning", "factor", "labels"),
    ("model", "factor", "category"), ("species", "factor", "category"),
    ("scaffold", "factor", "category"), ("route", "factor", "category"),
    ("follow_up_weeks", "factor", "number"), ("dose_value", "dose_value", None),
    ("dose_unit", "dose_unit", None), ("outcome_better", "outcome_better", None),
    ("n_treated", "n_treated", None), ("n_control", "n_control", None),
    ("mean_treated", "mean_treated", None), ("sd_treated", "sd_treated", None),
    ("mean_control", "mean_control", None), ("sd_control", "sd_control", None),
    ("direction", "direction", None), ("significance", "significance", None),
)  # fmt: skip
NUMBERS = {"follow_up_weeks", "dose_value"}


def simulate_ev(folder: Path, seed: int, n_studies: int = 150, directions: float = 0.4) -> Path:
    """Write a simulated package and return its folder."""
    rng = np.random.default_rng(seed)
    rows = []
    for study in range(n_studies):
        shift, told = rng.normal(0, 0.35), rng.random() < directions
        shared = {name: rng.choice(levels) for name, levels in LEVELS.items()}
        shared["follow_up_weeks"] = float(rng.choice([2, 4, 8, 12]))
        for arm in range(int(rng.integers(1, 4))):
            source, stimulus = rng.choice(list(SOURCE)), rng.choice(list(PRECONDITIONING))
            dose, n = float(rng.choice([10, 30, 100, 300])), int(rng.integers(5, 13))
            true = 0.4 + SOURCE[source] + PRECONDITIONING[stimulus] + 0.6 * np.log10(dose / 55)
            true += shift + TOGETHER * (source == "UCMSC" and stimulus == "hypoxia")
            treated, control = rng.normal(true, 1, n), rng.normal(0, 1, n)
            gain = treated.mean() - control.mean()
            error = np.sqrt(treated.var(ddof=1) / n + control.var(ddof=1) / n)
            sure = abs(gain / error) > 2.1
            row = {
                "study_id": f"s{study}", "contrast_id": f"s{study}-{arm}", "ev_source": source,
                "preconditioning": stimulus, **shared, "dose_value": dose, "dose_unit": "ug",
                "outcome_better": "higher", "n_treated": n, "n_control": n,
                "direction": ("better" if gain > 0 else "worse") if sure else "no_difference",
                "significance": "significant" if sure else "not_significant",
            }  # fmt: skip
            if not told:
                row |= {
                    "mean_treated": treated.mean(), "sd_treated": treated.std(ddof=1),
                    "mean_control": control.mean(), "sd_control": control.std(ddof=1),
                }  # fmt: skip
            rows.append(row)
    fields = [
        {"name": name, "role": role, "type": "number" if name in NUMBERS else "string"}
        | ({"kind": kind} if kind else {})
        for name, role, kind in FIELDS
    ]
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows).reindex(columns=[name for name, _, _ in FIELDS])
    table.to_csv(folder / "contrasts.csv", index=False)
    resource = {"name": "contrasts", "path": "contrasts.csv", "schema": {"fields": fields}}
    descriptor = {"name": "simulated", "resources": [resource]}
    (folder / "datapackage.json").write_text(json.dumps(descriptor))
    return folder
