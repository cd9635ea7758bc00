"""One experiment: a TOML file that names the corpus, the folds and the candidates."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from regencast.errors import fail
from regencast.training.candidate import Candidate, read_candidates

#: The largest seed that every library takes, less room for those that are counted up from it.
MOST_SEED = 2**31 - 1
MOST_ROUNDS = 100_000
#: Name of what runs without a TOML file; it fits any corpus, so all designs have one baseline.
BUILT_IN = "built-in"
PRIORS = ("pooled", "none")
#: A small grid that spans stiff to supple; the same for every corpus.
DEFAULT_CANDIDATES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ridge", {"reach": 0.03}),
    ("ridge", {"reach": 0.1}),
    ("boosting", {"max_depth": 2}),
    ("boosting", {"max_depth": 6, "min_child_weight": 8.0, "learning_rate": 0.02}),
    ("forest", {"min_samples_leaf": 4, "use_intervals": False}),
    ("forest", {"min_samples_leaf": 2, "max_features": 0.2, "use_intervals": False}),
    ("forest", {"min_samples_leaf": 2}),
    ("process", {}),
)


def _defaults() -> tuple[Candidate, ...]:
    return tuple(Candidate(name, tuple(given.items())) for name, given in DEFAULT_CANDIDATES)


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run besides the corpus itself.

    Attributes
    ----------
    name, corpus : str
        Name in MLflow; path of the data package.
    seed, outer_folds, inner_folds : int
    resamples : int
        Of studies, for the intervals of importance.
    prior : str
        ``pooled``: the published pooled estimates that a package carries hold the scale (a package
        without them has no prior); ``none``: they do not.
    baseline_by : str
        The category whose levels get a baseline of their own; empty for one baseline.
    candidates : tuple of Candidate
    file : str
        Where it was read, for messages; empty for one that was not read.
    """

    name: str = BUILT_IN
    corpus: str = "data/corpus"
    seed: int = 20260101
    outer_folds: int = 10
    inner_folds: int = 5
    resamples: int = 200
    prior: str = "pooled"
    baseline_by: str = ""
    candidates: tuple[Candidate, ...] = field(default_factory=_defaults)
    file: str = ""


def read_experiment(path: Path | None) -> Experiment:
    """Read an experiment; None gives the built-in one.

    Raises
    ------
    FaultyInput
        If the file is not TOML, or a key, family or setting is unknown.
    """
    if path is None:
        return Experiment()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise fail(path, "there is no such experiment", "Name a TOML file") from None
    # A number of too many digits is a plain ValueError, as what is not TOML or UTF-8 is by descent.
    except ValueError as error:
        raise fail(path, f"it is not TOML ({error})", "See experiments/default.toml") from None
    allowed = set(Experiment.__dataclass_fields__) - {"file"}
    for key, value in data.items():
        if key not in allowed:
            raise fail(
                path,
                "the key is unknown",
                f"Use one of {', '.join(sorted(allowed))}",
                column=key,
                value=str(value),
            )
    for key in ("seed", "outer_folds", "inner_folds", "resamples"):
        least, most = (0, MOST_SEED) if key == "seed" else (2, MOST_ROUNDS)
        whole = isinstance(data.get(key), int) and not isinstance(data[key], bool)
        if key in data and not (whole and least <= data[key] <= most):
            raise fail(
                path,
                f"it must be a whole number from {least} to {most}",
                "Correct it",
                column=key,
                value=str(data[key]),
            )
    for key in ("name", "corpus", "prior", "baseline_by"):
        if key in data and not isinstance(data[key], str):
            raise fail(path, "it must be a text", "Quote it", column=key, value=str(data[key]))
    if not data.get("name", path.stem).strip():
        raise fail(path, "the name is empty", "Name it, or leave the key out", column="name")
    if data.get("prior", "pooled") not in PRIORS:
        raise fail(
            path,
            "the prior is unknown",
            f"Use one of {', '.join(PRIORS)}",
            column="prior",
            value=data["prior"],
        )
    candidates = data.pop("candidates", None)
    experiment = replace(Experiment(path.stem, file=str(path)), **data)
    if candidates is None:
        return experiment
    return replace(experiment, candidates=read_candidates(path, candidates))
