"""What a new edition of a corpus changed: studies, skill, factor ranks, scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regencast.corpus import Corpus, read_corpus
from regencast.effects import read_effects
from regencast.forecasting import design_names, factor_shapley, score_designs
from regencast.training import (
    Experiment,
    Forecaster,
    contrast_order,
    cross_validate,
    fit_forecaster,
    judge,
    skill,
    study_folds,
)

DESIGNS = 300


@dataclass(frozen=True)
class Difference:
    """Two editions side by side.

    Attributes
    ----------
    changes : dict
        Under studies, pooled (estimates), fields (their roles, kinds, groups), vocabulary and
        synonyms (both as column|level or spelling): added, removed and changed, each a list.
    digests : tuple of str
        Of the old and the new edition: they differ by order, too.
    verdicts : tuple of str
        Of the old and the new edition.
    skill, ranks, scores : pandas.DataFrame
        Columns old and new; one row per metric, factor (rank of importance; missing for one of no
        importance) and proposed design (missing where it has a fault).
    """

    changes: dict[str, dict[str, list[str]]]
    digests: tuple[str, str]
    verdicts: tuple[str, str]
    skill: pd.DataFrame
    ranks: pd.DataFrame
    scores: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON; what is not known is None."""
        tables = {
            name: {
                str(key): {k: None if pd.isna(v) else float(v) for k, v in row.items()}
                for key, row in getattr(self, name).to_dict("index").items()
            }
            for name in ("skill", "ranks", "scores")
        }
        told = {"digests": list(self.digests), "verdicts": list(self.verdicts)}
        return {**self.changes, **told, **tables}


def compare_corpora(
    old: Path,
    new: Path,
    experiment: Experiment,
    designs: pd.DataFrame | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Difference:
    """Train on both editions and say what changed.

    Parameters
    ----------
    old, new : Path
        Data packages.
    experiment : Experiment
    designs : pandas.DataFrame, optional
        Proposed designs, as read.
    progress : callable
        Called after each outer fold of either.

    Returns
    -------
    Difference
    """
    corpora = [read_corpus(package) for package in (old, new)]
    found = [_judged(corpus, experiment, progress) for corpus in corpora]
    skills = pd.DataFrame({n: metrics for n, (metrics, _, _) in _named(found)})
    ranks = pd.DataFrame(
        {n: _ranks(forecaster, corpus)
         for (n, (_, _, forecaster)), corpus in zip(_named(found), corpora, strict=True)}
    )  # fmt: skip
    scores = pd.DataFrame(columns=["old", "new"])
    if designs is not None:
        # One edition names them for both: a column may be a factor of the other.
        names = _unlike(design_names(designs, found[1][2].blend.encoder), designs.index)
        scores = pd.DataFrame({n: _scores(f, designs, names) for n, (_, _, f) in _named(found)})
    before, after = map(_entries, corpora)
    changes = {name: _changes(before[name], after[name]) for name in before}
    digests = corpora[0].digest, corpora[1].digest
    verdicts = found[0][1], found[1][1]
    return Difference(changes, digests, verdicts, skills, ranks.sort_values("new"), scores)


def _named(pair: list) -> list[tuple[str, Any]]:
    return list(zip(("old", "new"), pair, strict=True))


def _judged(
    corpus: Corpus, experiment: Experiment, progress: Callable[[], None]
) -> tuple[dict[str, float], str, Forecaster]:
    effects = read_effects(corpus)
    folds = study_folds(corpus.studies, experiment.outer_folds, experiment.seed)
    table = cross_validate(corpus, experiment, folds, progress=progress)
    forecaster, _ = fit_forecaster(corpus, effects, experiment)
    verdict = judge(table, experiment.seed, forecaster.blend.departs).sentence
    return skill(table), verdict, forecaster


def _ranks(forecaster: Forecaster, corpus: Corpus) -> pd.Series:
    rows = np.linspace(0, len(corpus) - 1, min(DESIGNS, len(corpus))).astype(int)
    rows = contrast_order(corpus)[rows]
    size = factor_shapley(forecaster, corpus.frame.iloc[rows]).values.abs().mean()
    # Factors that move nothing have no rank: one by the order of columns would say they had.
    return size[size > 0].rank(ascending=False, method="min").reindex(size.index)


def _scores(forecaster: Forecaster, designs: pd.DataFrame, names: list[str]) -> pd.Series:
    scored = score_designs(forecaster, designs, "designs")["score"].astype(float)
    return pd.Series(scored.to_numpy(), index=names)


def _unlike(names: list[str], rows: pd.Index) -> list[str]:
    """Return the names, with the row where several designs have one."""
    several = pd.Series(names).duplicated(keep=False)
    return [
        f"{name} (row {row})" if twice else name
        for name, row, twice in zip(names, rows, several, strict=True)
    ]


def _entries(corpus: Corpus) -> dict[str, tuple[pd.DataFrame, str]]:
    """Return the tables that a model depends on, each with the column that names its entries."""
    pooled = pd.DataFrame({"pooled_id": []}) if corpus.pooled is None else corpus.pooled
    meanings = [
        (f"{column}|{level}", meaning.definition, meaning.parent)
        for column, levels in corpus.vocabulary.items()
        for level, meaning in levels.items()
    ]
    spellings = [
        (f"{column}|{written}", level)
        for column, levels in corpus.synonyms.items()
        for written, level in levels.items()
    ]
    return {
        "studies": (corpus.frame, corpus.schema.study),
        "pooled": (pooled, "pooled_id"),
        "fields": (pd.DataFrame(corpus.schema.to_dict()["fields"]), "name"),
        "vocabulary": (pd.DataFrame(meanings, columns=["level", "definition", "parent"]), "level"),
        "synonyms": (pd.DataFrame(spellings, columns=["written", "level"]), "written"),
    }


def _changes(old: tuple[pd.DataFrame, str], new: tuple[pd.DataFrame, str]) -> dict[str, list[str]]:
    """Compare tables by what names their entries; the order of rows and columns says nothing."""
    shared = sorted(set(old[0]) & set(new[0]))
    before, after = (
        table[shared].astype(str).agg("|".join, axis=1)
        .groupby(table[name].astype(str)).agg(lambda rows: "\n".join(sorted(rows)))
        for table, name in (old, new)
    )  # fmt: skip
    both = before.index.intersection(after.index)
    return {
        "added": sorted(after.index.difference(before.index)),
        "removed": sorted(before.index.difference(after.index)),
        "changed": sorted(name for name in both if before[name] != after[name]),
    }
