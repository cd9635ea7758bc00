"""From designs as scientists write them to the numbers that estimators take."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from regencast.corpus import Field, Schema, Vocabulary, ancestors
from regencast.corpus.schema import SIZE_ROLES
from regencast.designs.dose import SCALES, normalise_dose

#: A level met in fewer studies is pooled with the other rare ones: hard to tell from its study.
MIN_STUDIES = 3
#: Kinds of `Feature` that are numbers.
NUMBERS = ("number", "log_number", "dose")
RARE = "(rare)"
NOT_REPORTED = "(not reported)"


@dataclass(frozen=True)
class Feature:
    """One encoded column.

    Attributes
    ----------
    name : str
        Unique: ``column=level`` or the column's name.
    factor : str
        The design factor to which it belongs.
    column : str
        The column of the table from which it is made.
    kind : str
        ``level`` (is the category this level), ``label`` (is the label among them), ``class`` (does
        a level or label belong to this class), ``number``, ``log_number`` or ``dose`` (log10 of a
        normalised dose).
    level : str or None
        The level, label or class; None for numbers.
    """

    name: str
    factor: str
    column: str
    kind: str
    level: str | None = None

    @property
    def one_level(self) -> bool:
        """Whether it stands for one level or label: no class, not the rare, not the absent."""
        return self.kind in ("level", "label") and self.level not in (RARE, NOT_REPORTED)


@dataclass(frozen=True)
class _Coding:
    """How one category or labels column is coded; ``classes`` has the levels of each class."""

    field: Field
    levels: tuple[str, ...]
    known: tuple[str, ...]
    classes: dict[str, tuple[str, ...]]


class DesignEncoder:
    """Encode designs: one yes/no column per level or label, numbers as they are.

    A missing value stays missing: a category gets the level ``(not reported)``, a number NaN.
    Columns that do not vary among the training designs are left out, but for a number that all of
    them give: another value of it lies beyond the studies, as `Ranges` tells. A level's classes
    have columns of their own, so that a rare level borrows from its kin.

    Parameters
    ----------
    schema : Schema
        The corpus's roles.
    min_studies : int, default 3
        Levels and classes met in fewer studies are pooled as ``(rare)``, or left out.
    vocabulary : Vocabulary, optional
        The parent class of each level, by column.

    Attributes
    ----------
    features_ : tuple of Feature
        The encoded columns, in order.
    """

    def __init__(
        self,
        schema: Schema,
        min_studies: int = MIN_STUDIES,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.schema = schema
        self.min_studies = min_studies
        self.vocabulary = vocabulary or {}

    def fit(self, designs: pd.DataFrame, studies: np.ndarray) -> DesignEncoder:
        """Learn the levels.

        Parameters
        ----------
        designs : pandas.DataFrame
            Training designs, at least the design columns of the schema.
        studies : ndarray, shape (n,)
            The study of each row: rarity is counted in studies, not in rows.

        Returns
        -------
        DesignEncoder
            Itself.
        """
        self._codings = {
            field.name: self._learn(field, designs[field.name], studies)
            for field in self.schema.design
            if field.kind in ("category", "labels")
        }
        matrix, features = self._encode(designs)
        # Designs that do not vary keep one column: there is a model of them, the baseline.
        kept = [
            j
            for j, feature in enumerate(features)
            if _varies(matrix[:, j]) or (self.has_range(feature) and not np.isnan(matrix[0, j]))
        ] or [0]
        numeric = [features[j].level is None or features[j].kind == "dose" for j in kept]
        # A number that training designs always report is filled with its median where a new
        # design lacks it: no estimator has learned what its absence means.
        self._fill = np.array(
            [_fill_value(matrix[:, j], number) for j, number in zip(kept, numeric, strict=True)]
        )
        self._kept = np.array(kept, dtype=int)
        self.features_ = tuple(features[j] for j in kept)
        return self

    def transform(self, designs: pd.DataFrame) -> np.ndarray:
        """Encode designs.

        Parameters
        ----------
        designs : pandas.DataFrame
            The same columns as in `fit`.

        Returns
        -------
        ndarray, shape (n, n_features)
            float; NaN where a number is not reported.
        """
        matrix, _ = self._encode(designs)
        kept = matrix[:, self._kept]
        return np.where(np.isnan(kept), self._fill, kept)

    def has_range(self, feature: Feature) -> bool:
        """Return whether a feature is a number beyond which a forecast has no ground.

        Animals per group are planned freely: a large group is no foreign design.
        """
        sizes = [self.schema.column(role) for role in SIZE_ROLES]
        return feature.kind in NUMBERS and feature.column not in sizes

    def known_levels(self, column: str) -> tuple[str, ...]:
        """Return every level of a category or label of a labels column, rare ones included."""
        return self._codings[column].known

    def _learn(self, field: Field, values: pd.Series, studies: np.ndarray) -> _Coding:
        pairs = [
            (token, study)
            for value, study in zip(values, studies, strict=True)
            for token in field.levels(value)
        ]
        count: dict[str, set] = {}
        for token, study in pairs:
            count.setdefault(token, set()).add(study)
        known = tuple(sorted(count))
        common = tuple(level for level in known if len(count[level]) >= self.min_studies)
        return _Coding(field, common, known, self._classes(field.name, count))

    def _classes(self, column: str, count: dict[str, set]) -> dict[str, tuple[str, ...]]:
        """Return the levels of each class that joins two or more and has enough studies."""
        meanings = self.vocabulary.get(column, {})
        members: dict[str, list[str]] = {}
        for level in sorted(count):
            for above in ancestors(level, meanings):
                members.setdefault(above, []).append(level)
        kept: dict[str, tuple[str, ...]] = {}
        for name, levels in members.items():
            enough = len(set.union(*(count[level] for level in levels))) >= self.min_studies
            # Two classes of the same levels say the same.
            if len(levels) > 1 and enough and tuple(levels) not in kept.values():
                kept[name] = tuple(levels)
        return kept

    def _encode(self, designs: pd.DataFrame) -> tuple[np.ndarray, list[Feature]]:
        blocks: list[np.ndarray] = []
        features: list[Feature] = []
        for field in self.schema.design:
            if field.role == "factor" or field.role in SIZE_ROLES:
                coded = self._factor(field, designs[field.name])
            elif field.role == "dose_value":
                coded = self._dose(field, designs)
            else:
                continue
            for feature, values in coded:
                features.append(feature)
                blocks.append(values)
        return np.column_stack(blocks), features

    def _factor(self, field: Field, values: pd.Series) -> list[tuple[Feature, np.ndarray]]:
        if field.kind in ("category", "labels"):
            return self._levels(self._codings[field.name], values)
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
        kind = "log_number" if field.role in SIZE_ROLES else str(field.kind)
        if kind == "log_number":
            numbers = _log10(numbers)
        feature = Feature(field.name, field.factor, field.name, kind)
        return [(feature, numbers)]

    def _levels(self, coding: _Coding, values: pd.Series) -> list[tuple[Feature, np.ndarray]]:
        field = coding.field
        kind = "level" if field.kind == "category" else "label"
        # Few distinct texts stand in many rows: code each text once.
        codes, texts = pd.factorize(values, use_na_sentinel=True)
        names = [*coding.levels, RARE, NOT_REPORTED]
        place = {name: j for j, name in enumerate(names)}
        within: dict[str, list[int]] = {}
        for j, members in enumerate(coding.classes.values(), start=len(names)):
            for level in members:
                within.setdefault(level, []).append(j)
        table = np.zeros((len(texts) + 1, len(names) + len(coding.classes)))
        for i, text in enumerate(texts):
            for token in field.levels(text):
                table[i, [place.get(token, place[RARE]), *within.get(token, [])]] = 1.0
        table[-1, place[NOT_REPORTED]] = 1.0
        matrix = table[codes]
        features = [
            Feature(f"{field.name}={name}", field.factor, field.name, kind, name) for name in names
        ] + [
            Feature(f"{field.name}~{name}", field.factor, field.name, "class", name)
            for name in coding.classes
        ]
        return list(zip(features, matrix.T, strict=True))

    def _dose(self, field: Field, designs: pd.DataFrame) -> list[tuple[Feature, np.ndarray]]:
        doses = normalise_dose(designs, self.schema)
        times = self.schema.field("n_doses")
        # A note of that name is no part of a design: a model would learn what no design can say.
        count = administrations(designs) if times and times.is_design else np.ones(len(designs))
        coded = []
        for scale in SCALES:
            single = doses[scale].to_numpy(dtype=float)
            for name, amount in ((scale, single), (f"total_{scale}", single * count)):
                feature = Feature(f"{field.factor}_{name}", field.factor, field.name, "dose", name)
                coded.append((feature, _log10(amount)))
        return coded

    def to_dict(self) -> dict:
        """Return all that was learned, as plain data for JSON."""
        return {
            "schema": self.schema.to_dict(),
            "min_studies": self.min_studies,
            "codings": {
                name: {
                    "levels": list(coding.levels),
                    "known": list(coding.known),
                    "classes": {k: list(v) for k, v in coding.classes.items()},
                }
                for name, coding in self._codings.items()
            },
            "kept": self._kept.tolist(),
            "fill": [None if np.isnan(value) else value for value in self._fill],
            "features": [asdict(feature) for feature in self.features_],
        }

    @classmethod
    def from_dict(cls, data: dict) -> DesignEncoder:
        """Rebuild an encoder from `to_dict`."""
        encoder = cls(Schema.from_dict(data["schema"]), data["min_studies"])
        encoder._codings = {
            field.name: _Coding(
                field,
                tuple(data["codings"][field.name]["levels"]),
                tuple(data["codings"][field.name]["known"]),
                {k: tuple(v) for k, v in data["codings"][field.name]["classes"].items()},
            )
            for field in encoder.schema.design
            if field.name in data["codings"]
        }
        encoder._kept = np.array(data["kept"], dtype=int)
        encoder._fill = np.array(
            [np.nan if value is None else value for value in data["fill"]], dtype=float
        )
        encoder.features_ = tuple(Feature(**feature) for feature in data["features"])
        return encoder


def administrations(designs: pd.DataFrame) -> np.ndarray:
    """Return how often a dose is given; once where the table has no such column."""
    if "n_doses" not in designs:
        return np.ones(len(designs))
    return pd.to_numeric(designs["n_doses"], errors="coerce").to_numpy(dtype=float)


def _log10(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        # A dose of zero has no logarithm; it is a control, and stays missing.
        return np.where(values > 0, np.log10(values), np.nan)


def _fill_value(column: np.ndarray, number: bool) -> float:
    return float(np.median(column)) if number and not np.isnan(column).any() else np.nan


def _varies(column: np.ndarray) -> bool:
    """Return whether a column tells two training designs apart (missing or not counts)."""
    missing = np.isnan(column)
    if missing.all():
        return False
    present = column[~missing]
    return bool(missing.any() or present.min() < present.max())
