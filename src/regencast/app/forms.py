"""The form of a design, made from the corpus's own schema; designs as addresses and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pandas as pd

from regencast.corpus import Corpus, Field, Meaning, label_counts
from regencast.corpus.schema import SIZE_ROLES
from regencast.designs.dose import UNITS
from regencast.errors import RegencastError
from regencast.forecasting import read_designs
from regencast.reporting import EXAMPLE
from regencast.words import readable, readable_level

#: Fields that this share of contrasts report stand at the top of the form, the others below.
COMMON = 0.3
#: These always stand at the top: a proposal has them even where published studies hide them.
ALWAYS = ("dose_value", "dose_unit", *SIZE_ROLES)
LONGEST = 200
#: What a scientist calls a column that the schema names by its role, or by its unit.
CALLED = {
    "dose_value": "Dose", "dose_volume": "Volume (µl)", "n_treated": "Animals, treated",
    "n_control": "Animals, control",
}  # fmt: skip
MEASURES = ("weeks", "days", "mm")
OTHER = "other"
#: Parameters of the pages; a column of such a name is asked for with a word before it.
TAKEN = ("version", "q", "page", "d", "change", "factor")


@dataclass(frozen=True)
class Option:
    """One level to choose: its name, number of studies, definition and parent class."""

    level: str
    label: str
    studies: int
    definition: str
    parent: str


@dataclass(frozen=True)
class Question:
    """One field of the form.

    Attributes
    ----------
    name, label : str
        Of the column.
    kind : str
        ``choice``, ``labels`` or ``number``.
    groups : tuple
        Pairs of a parent class and its options.
    hint : str
        For a number, what the corpus holds.
    common : bool
        Whether it stands at the top of the form.
    """

    name: str
    label: str
    kind: str
    groups: tuple[tuple[str, tuple[Option, ...]], ...]
    hint: str
    common: bool

    @property
    def parameter(self) -> str:
        """Its name in an address."""
        return parameter(self.name)


def parameter(name: str) -> str:
    """Return a column's name in an address.

    Examples
    --------
    >>> parameter("tissue"), parameter("version")
    ('tissue', 'column.version')
    """
    return f"column.{name}" if name in TAKEN else name


def make_questions(corpus: Corpus) -> list[Question]:
    """Return the form's fields, in the order of the table."""
    return [_question(field, corpus) for field in corpus.schema.design]


def _question(field: Field, corpus: Corpus) -> Question:
    values = corpus.frame[field.name]
    common = field.role in ALWAYS or bool(values.notna().mean() >= COMMON)
    if field.type == "number":
        return Question(field.name, _called(field), "number", (), _range(field, corpus), common)
    labels = tuple(field.levels(value) for value in values)
    counts = label_counts(corpus, field.name, labels)
    levels = list(counts.index)
    if field.role == "dose_unit":
        levels += [unit for unit in UNITS if unit not in counts]
    meanings = corpus.vocabulary.get(field.name, {})
    options = []
    for level in levels:
        meaning = meanings.get(level, Meaning("", ""))
        studies, label = int(counts.get(level, 0)), readable_level(level, 60)
        options.append(Option(level, label, studies, meaning.definition, meaning.parent))
    kind = "labels" if field.kind == "labels" else "choice"
    return Question(field.name, _called(field), kind, _grouped(options), "", common)


def _called(field: Field) -> str:
    head, _, measure = field.name.rpartition("_")
    if field.role in CALLED:
        return CALLED[field.role]
    if head == "n":
        return f"Number of {measure}"
    return f"{readable(head)} ({measure})" if measure in MEASURES else readable(field.name)


def _range(field: Field, corpus: Corpus) -> str:
    """Return what the corpus holds of a number; of a dose, in its two commonest units."""
    values = corpus.frame[field.name].dropna()
    unit = corpus.schema.column("dose_unit")
    if field.role != "dose_value" or not unit:
        return _span(values) if len(values) else ""
    units = corpus.frame.loc[values.index, unit]
    common = units.value_counts().index[:2]
    return "; ".join(f"{_span(values[units == one])} {readable_level(one)}" for one in common)


def _span(values: pd.Series) -> str:
    low, high = values.quantile(0.05), values.quantile(0.95)
    return f"{low:.3g} to {high:.3g}"


def _grouped(options: list[Option]) -> tuple[tuple[str, tuple[Option, ...]], ...]:
    """Return options by their parent class, the class with the best studied level first."""
    shared: dict[str, list[Option]] = {}
    for option in options:
        shared.setdefault(option.parent, []).append(option)
    # A class of one level is no class: its level stands with the other lone ones.
    groups: dict[str, list[Option]] = {}
    for parent, members in shared.items():
        groups.setdefault(parent if len(members) > 1 else "", []).extend(members)
    if len(groups) == 1:
        return (("", tuple(options)),)
    named = [(readable(name), tuple(found)) for name, found in groups.items() if name]
    rest = [(readable(OTHER), tuple(groups[""]))] if "" in groups else []
    return tuple(named + rest)


def design_of(args: Mapping[str, list[str]], corpus: Corpus) -> dict[str, str]:
    """Return the design that a query gives: column to text, without what is left open.

    Parameters
    ----------
    args : mapping of str to list of str
        A query's values; what is no design column is passed over.
    corpus : Corpus
    """
    design = {}
    for field in corpus.schema.design:
        given = args.get(parameter(field.name), [])
        values = [value.strip()[:LONGEST] for value in given if value.strip()]
        if len(values) > 1:
            # "None" beside something else was left ticked by mistake.
            values = [value for value in values if value != "none"]
        if values:
            design[field.name] = "+".join(values) if field.kind == "labels" else values[0]
    return design


def is_asked(args: Mapping[str, object], corpus: Corpus) -> bool:
    """Return whether a query names any field, be it left open."""
    return any(parameter(field.name) in args for field in corpus.schema.design)


def ticked(design: Mapping[str, object], corpus: Corpus) -> dict[str, set[str]]:
    """Return the levels that a form shows as chosen, by column."""
    return {
        field.name: set(field.levels(design[field.name]))
        for field in corpus.schema.design
        if field.name in design
    }


def address_of(design: Mapping[str, str]) -> str:
    """Return a design as a query, so that a link restores it."""
    return urlencode([(parameter(name), value) for name, value in design.items()])


def table_of(designs: list[dict[str, str]]) -> pd.DataFrame:
    """Return designs as a table such as `read_designs` gives, indexed by row from 2."""
    frame = pd.DataFrame(designs, dtype=object)
    frame = frame.astype(object).where(frame.notna(), None)
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    return frame


def start_design(corpus: Corpus) -> dict[str, str]:
    """Return a realistic design to begin with.

    The first of the example proposals where its levels are the corpus's own, else the common fields
    of the contrast that is most like all others.
    """
    names = [field.name for field in corpus.schema.design]
    try:
        first = read_designs(EXAMPLE).iloc[0].dropna() if EXAMPLE.is_file() else pd.Series()
    except RegencastError:
        first = pd.Series()
    given = {str(name): str(value) for name, value in first.items() if name in names}
    fields = {field.name: field for field in corpus.schema.design}
    if given and all(_stands(v, fields[name], corpus.frame[name]) for name, v in given.items()):
        return given
    names = [f.name for f in corpus.schema.design if f.type == "string" and f.role == "factor"]
    frame = corpus.frame[names]
    share = frame.apply(lambda column: column.map(column.value_counts(normalize=True)))
    best = frame.loc[share.fillna(0).sum(axis=1).idxmax()]
    return {name: str(value) for name, value in best.dropna().items()}


def _stands(value: str, field: Field, column: pd.Series) -> bool:
    known = {level for cell in column.dropna().unique() for level in field.levels(cell)}
    return field.type == "number" or known.issuperset(field.levels(value))
