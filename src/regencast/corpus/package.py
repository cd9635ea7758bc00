"""A corpus: the validated table of contrasts, its roles, what lies beside it, and the digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path

import numpy as np
import pandas as pd

from regencast.corpus.checks import (
    LEVELS,
    cell_faults,
    comparison_faults,
    row_faults,
    spelling_faults,
)
from regencast.corpus.papers import study_faults
from regencast.corpus.pooled import read_pooled
from regencast.corpus.readings import read_readings
from regencast.corpus.retracted import names_papers, read_retracted, retraction_faults
from regencast.corpus.schema import Schema, read_schema
from regencast.corpus.synonyms import read_synonyms
from regencast.corpus.tables import read_text_table
from regencast.corpus.vocabulary import Vocabulary, read_vocabulary
from regencast.errors import Fault, FaultyInput


@dataclass(frozen=True)
class Corpus:
    """A validated corpus.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per contrast; number columns are float, others text with missing values.
    schema : Schema
        The columns' roles.
    digest : str
        SHA-256 over roles, cells and the tables beside: the same for the same content, wherever
        it lies.
    folder : Path
        Where the package was read.
    pooled : pandas.DataFrame or None
        Published pooled estimates, where the package has them; see `read_pooled`.
    synonyms : dict
        By column, from other spellings to levels; empty where the package has none.
    vocabulary : dict
        By column, what each level means and its parent class; empty where the package has none.
    readings : pandas.Series or None
        By study, what its second reading found; see `read_readings`.
    """

    frame: pd.DataFrame
    schema: Schema
    digest: str
    folder: Path
    pooled: pd.DataFrame | None = None
    synonyms: dict[str, dict[str, str]] = dataclass_field(default_factory=dict)
    vocabulary: Vocabulary = dataclass_field(default_factory=dict)
    readings: pd.Series | None = None

    @property
    def studies(self) -> np.ndarray:
        """The study of each contrast, shape (n_contrasts,)."""
        return self.frame[self.schema.study].to_numpy(dtype=object)

    @property
    def contrasts(self) -> np.ndarray:
        """The identifier of each contrast, shape (n_contrasts,)."""
        return self.frame[self.schema.contrast].to_numpy(dtype=object)

    def __len__(self) -> int:
        """Return the number of contrasts."""
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Corpus:
        """Return the corpus of some rows, by position or mask; its digest is that of the whole."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True))

    def role(self, role: str) -> pd.Series:
        """Return the column with a role; all missing where no column has it."""
        name = self.schema.column(role)
        if name is None:
            return pd.Series(np.nan, index=self.frame.index, dtype=object)
        return self.frame[name]


def inspect_corpus(
    package: Path | str, retracted: Path | None = None
) -> tuple[Corpus | None, list[Fault]]:
    """Read a data package and collect every fault.

    Parameters
    ----------
    package : path
        A folder with ``datapackage.json``, or the descriptor.
    retracted : path, optional
        The CSV file of Retraction Watch: a row of a retracted paper is then a fault.

    Returns
    -------
    corpus : Corpus or None
        None where there is any fault.
    faults : list of Fault
        By row and column; faults that stop the reading come alone.
    """
    package = Path(package)
    try:
        withdrawn = read_retracted(retracted) if retracted else None
        schema, table, beside = read_schema(package)
        text, faults = read_text_table(table)
        _require_columns(text, schema, table)
    except FaultyInput as error:
        return None, error.faults
    file = str(table)
    text = text.replace(dict.fromkeys(("", *schema.missing), None))
    text = text.where(text.notna(), None)
    faults += cell_faults(text, schema, file)
    if not faults and text.empty:
        faults.append(Fault(file, "there is no contrast", "Add one row per contrast"))
    spoiled = {(fault.row, fault.column) for fault in faults}
    frame = _typed(text, schema, spoiled)
    faults += row_faults(frame, schema, file)
    faults += comparison_faults(frame, schema, file)
    faults += spelling_faults(frame, schema, file)
    faults += study_faults(frame, schema, file)
    pooled: pd.DataFrame | None = None
    synonyms: dict[str, dict[str, str]] = {}
    vocabulary: Vocabulary = {}
    readings: pd.Series | None = None
    if withdrawn:
        faults += retraction_faults(frame, file, withdrawn)
        if not names_papers(frame):
            faults.append(Fault(file, "no column doi or pmid names its papers", "Add one", row=1))
    try:
        if "pooled" in beside:
            pooled, more = read_pooled(beside["pooled"])
            faults += more
            if withdrawn:
                faults += retraction_faults(pooled, str(beside["pooled"]), withdrawn)
        if "vocabulary" in beside:
            vocabulary, more = read_vocabulary(beside["vocabulary"], schema)
            faults += more
        if "readings" in beside:
            readings, more = read_readings(
                beside["readings"], None if faults else set(frame[schema.study])
            )
            faults += more
        if "synonyms" in beside:
            used = None if faults else _levels(frame, schema)
            synonyms, more = read_synonyms(beside["synonyms"], schema, used, vocabulary)
            faults += more
    except FaultyInput as error:
        faults += error.faults
    if faults:
        return None, sorted(faults, key=lambda f: (f.file, f.row or 0, f.column or ""))
    frame = frame.reset_index(drop=True)
    folder = package if package.is_dir() else package.parent
    digest = corpus_digest(frame, schema, pooled, vocabulary, synonyms)
    return Corpus(frame, schema, digest, folder, pooled, synonyms, vocabulary, readings), []


def read_corpus(package: Path | str) -> Corpus:
    """Read and validate a data package.

    Parameters
    ----------
    package : path
        A folder with ``datapackage.json``, or the descriptor.

    Returns
    -------
    Corpus

    Raises
    ------
    FaultyInput
        With every fault of the package.
    """
    corpus, faults = inspect_corpus(package)
    if corpus is None:
        raise FaultyInput(faults)
    return corpus


def corpus_digest(
    frame: pd.DataFrame,
    schema: Schema,
    pooled: pd.DataFrame | None = None,
    vocabulary: Vocabulary | None = None,
    synonyms: dict[str, dict[str, str]] | None = None,
) -> str:
    """Return the SHA-256 of all that a model learns from and reads designs by.

    Parameters
    ----------
    frame : pandas.DataFrame
    schema : Schema
    pooled : pandas.DataFrame, optional
        They set the scale of effects.
    vocabulary, synonyms : dict, optional
        Classes are features; spellings decide which level a design has.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    tables = [frame] if pooled is None else [frame, pooled]
    parts = [json.dumps(schema.to_dict(), sort_keys=True)]
    parts += [table.to_csv(index=False, lineterminator="\n") for table in tables]
    parts += [json.dumps(one, sort_keys=True, default=asdict) for one in (vocabulary, synonyms)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _levels(frame: pd.DataFrame, schema: Schema) -> dict[str, set[str]]:
    """Return by design column the levels that the contrasts use or the program defines."""
    return {
        field.name: {level for cell in frame[field.name].unique() for level in field.levels(cell)}
        | {*LEVELS.get(field.role, ())}
        for field in schema.design
    }


def _require_columns(text: pd.DataFrame, schema: Schema, table: Path) -> None:
    absent = [field.name for field in schema.fields if field.name not in text.columns]
    unknown = [name for name in text.columns if schema.field(name) is None]
    faults = [
        Fault(
            str(table),
            "the column is missing",
            "Add it, or take it out of datapackage.json",
            row=1,
            column=name,
        )
        for name in absent
    ] + [
        Fault(
            str(table),
            "the column has no role",
            "Describe it in datapackage.json",
            row=1,
            column=name,
        )
        for name in unknown
    ]
    if faults:
        raise FaultyInput(faults)


def _typed(
    text: pd.DataFrame, schema: Schema, spoiled: set[tuple[int | None, str | None]]
) -> pd.DataFrame:
    """Return the frame with numbers as float; spoiled cells become missing."""
    frame = text[[field.name for field in schema.fields]].copy()
    for row, column in spoiled:
        if row in frame.index and column in frame.columns:
            frame.loc[row, column] = None
    for one in schema.fields:
        if one.type == "number":
            frame[one.name] = pd.to_numeric(frame[one.name], errors="coerce").astype(float)
        else:
            frame[one.name] = frame[one.name].astype(object)
    return frame
