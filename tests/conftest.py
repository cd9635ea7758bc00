"""Simulated corpora with known truth, and a folder to run in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from regencast.corpus import read_corpus
from regencast.designs import DesignEncoder
from regencast.effects import read_effects
from regencast.forecasting import read_designs, score_designs
from regencast.training import Experiment, fit_forecaster
from regencast.training.experiment import Candidate

ROOT = Path(__file__).parents[1]
# How long an example takes says nothing of what is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
#: One of each family, small: for tests of what is done with a model, not of how good it is.
SMALL = Experiment(
    inner_folds=3,
    candidates=(
        Candidate("ridge", (("reach", 0.1),)),
        Candidate("boosting", (("max_depth", 2), ("n_estimators", 60))),
        Candidate("forest", (("n_estimators", 40), ("n_passes", 1))),
        Candidate("process", ()),
    ),
)
SYNONYMS = {"source": {"type A": "A", "alpha": "A"}}
SMALL_TOML = """
inner_folds = 3
outer_folds = 4
resamples = 20
candidates = [
  {family = "ridge", reach = 0.1},
  {family = "forest", n_estimators = 40, n_passes = 1},
]
"""


def simulate(folder: Path, seed: int = 0, n_studies: int = 60, numbers: float = 0.6) -> Path:
    """Write a package in which ``source`` and ``dose`` matter and ``colour`` does not."""
    rng = np.random.default_rng(seed)
    rows = []
    for study in range(n_studies):
        shift = rng.normal(0, 0.3)
        measured = rng.random() < numbers
        for arm in range(rng.integers(1, 4)):
            source, colour = rng.choice(["A", "B"]), rng.choice(["red", "green"])
            dose, n = float(rng.choice([1, 10, 100])), int(rng.integers(5, 15))
            true = 0.5 + 1.5 * (source == "A") + 0.4 * np.log10(dose) + shift
            treated, control = rng.normal(true, 1, n), rng.normal(0, 1, n)
            gain = treated.mean() - control.mean()
            row = {
                "study": f"s{study}", "contrast": f"s{study}-{arm}", "source": source,
                "colour": colour, "dose": dose, "unit": "ug", "better": "higher",
                "n1": n, "n2": n, "direction": "better" if gain > 0 else "worse",
            }  # fmt: skip
            if measured:
                row |= {
                    "m1": treated.mean(), "m2": control.mean(),
                    "s1": treated.std(ddof=1), "s2": control.std(ddof=1),
                }  # fmt: skip
            rows.append(row)
    roles = {
        "study": "study", "contrast": "contrast", "source": "factor", "colour": "factor",
        "dose": "dose_value", "unit": "dose_unit", "better": "outcome_better",
        "n1": "n_treated", "n2": "n_control", "direction": "direction", "m1": "mean_treated",
        "m2": "mean_control", "s1": "sd_treated", "s2": "sd_control",
    }  # fmt: skip
    fields = [
        {
            "name": name,
            "role": role,
            "type": "string",
            **({"kind": "category"} if role == "factor" else {}),
        }
        for name, role in roles.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows)[list(roles)].to_csv(folder / "contrasts.csv", index=False)
    resource = {"name": "contrasts", "path": "contrasts.csv", "schema": {"fields": fields}}
    (folder / "datapackage.json").write_text(json.dumps({"name": "sim", "resources": [resource]}))
    return folder


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A simulated corpus, its effects, and a model of each family trained on them."""
    corpus = read_corpus(simulate(tmp_path_factory.mktemp("sim")))
    effects = read_effects(corpus)
    return corpus, effects, fit_forecaster(corpus, effects, SMALL)[0]


@pytest.fixture(scope="session")
def parted(simulated):
    """The same model, to whose studies source A and colour green never came together."""
    model = simulated[2]
    support, names = model.support, [f.name for f in model.blend.encoder.features_]
    both = support.designs[:, [names.index("source=A"), names.index("colour=green")]].all(axis=1)
    support = replace(support, points=support.points[~both], studies=support.studies[~both])
    return replace(model, support=support)


@pytest.fixture(scope="session")
def shipped():
    """An encoder of the shipped corpus, whose dose, unlike the simulated one, is `dose_value`."""
    corpus = read_corpus(ROOT / "data/corpus")
    return DesignEncoder(corpus.schema).fit(corpus.frame, corpus.studies)


@pytest.fixture
def forecaster(simulated):
    """The same model with spellings of its own and a verdict."""
    return replace(simulated[2], synonyms=SYNONYMS, verdict="a verdict")


def scored(forecaster, tmp_path, text, **options):
    path = tmp_path / "designs.csv"
    path.write_text(text)
    return score_designs(forecaster, read_designs(path), "designs.csv", **options)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return simulate(tmp_path / "sim")


@pytest.fixture
def bench() -> Path:
    folder = Path(os.environ.get("REGENCAST_BENCH", ROOT / "../shared/bench"))
    if not folder.is_dir():
        pytest.skip("no bench packages; set REGENCAST_BENCH")
    return folder


def run(*arguments, cwd=None):
    env = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [Path(sys.executable).parent / "regencast", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=env | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder in which `regencast train` was run, with its package and designs."""
    folder = tmp_path_factory.mktemp("work")
    simulate(folder / "sim", n_studies=30)
    (folder / "small.toml").write_text(SMALL_TOML)
    (folder / "designs.csv").write_text("unit,source,dose,n1,n2\nug,A,100,8,8\nug,B,1,8,8\n")
    result = run("train", "small.toml", "--corpus", "sim", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder, result.stdout
