"""Which rows tell of one paper: its DOI, PMID, title or identifier, however it is spelt."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pandas as pd

from regencast.corpus.schema import Schema
from regencast.errors import Fault

#: Reference columns by which a publication is known.
IDENTIFIERS = ("doi", "pmid", "title")
#: The identifier within what people write, which may be an address.
WRITTEN = {
    "doi": re.compile(r"(10\.\d[\d.]*/\S+)"),
    "pmid": re.compile(r"^(?:\S*?pubmed\S*?/|pmid[:\s]*)?(\d+)\b"),
}
#: What parts the words of a title; it says nothing.
BETWEEN_WORDS = re.compile(r"\W+")
WHOLE = re.compile(r"^(\d+)\.0$")
#: Unicode counts it a symbol, and not among the dashes.
MINUS = "\u2212"
NUMBERS = ("mean_treated", "mean_control", "sd_treated", "sd_control")
#: Rows with the same means and spreads that two studies may share by chance.
BY_CHANCE = 1


def plain(text: str) -> str:
    """Return a text without what a reader does not see.

    That is case, composition and width of letters, width of blanks, the kind of a dash, characters
    without a shape, and the decimal that a spreadsheet gives a whole number.

    Examples
    --------
    >>> plain("Zhang\u20102020\u200b"), plain("2.0")
    ('zhang-2020', '2')
    """
    if not text.isascii():
        text = "".join(map(_shape, unicodedata.normalize("NFKC", text)))
    return WHOLE.sub(r"\1", " ".join(text.casefold().split()))


def _shape(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return "-" if category == "Pd" or character == MINUS else character


def paper_keys(cells: pd.Series, name: str) -> pd.Series:
    """Return what tells one paper from another.

    Parameters
    ----------
    cells : pandas.Series
        A column of a table.
    name : str
        ``doi``, ``pmid`` or ``title``: what the column holds.

    Returns
    -------
    pandas.Series
        Text, without the rows whose cell names no paper (of a DOI, one that holds none).
    """
    text = cells.dropna().astype(str).map(plain)
    if name == "title":
        text = text.str.replace(BETWEEN_WORDS, "", regex=True)
    else:
        text = text.map(unquote).str.extract(WRITTEN[name], expand=False).str.rstrip("./;,")
    return text[text.notna() & text.ne("")]


def study_faults(frame: pd.DataFrame, schema: Schema, file: str) -> list[Fault]:
    """Check that no publication stands under two study identifiers.

    Such a study would be learned from and tested on at once. It is known by its DOI, PMID or title
    (a preprint and its paper have two DOIs and one title), by an identifier that differs in
    spelling alone, and by means and spreads that two studies cannot share by chance.

    Parameters
    ----------
    frame : pandas.DataFrame
        Typed, indexed by spreadsheet row.
    schema : Schema
    file : str

    Returns
    -------
    list of Fault
        One for each study that repeats another.
    """
    study = frame[schema.study]
    faults = _spelt_alike(study, file)
    names = [field.name for field in schema.fields if field.role == "reference"]
    for name in (name for name in IDENTIFIERS if name in names):
        key = paper_keys(frame[name], name)
        first = study[key.index].groupby(key).transform("first")
        repeats = first.index[first != study[key.index]]
        faults += [
            Fault(file, f"the study {first[row]} is the same publication",
                  "Give both one study identifier, or correct this cell",
                  int(row), name, str(frame[name][row]))
            for row in study[repeats].drop_duplicates().index
        ]  # fmt: skip
    return faults + _same_numbers(frame, schema, study, file)


def _spelt_alike(study: pd.Series, file: str) -> list[Fault]:
    """Tell the identifiers that differ from another in spelling alone."""
    first: dict[str, str] = {}
    faults = []
    for row, name in study.dropna().drop_duplicates().items():
        known = first.setdefault(plain(str(name)), str(name))
        if known != str(name):
            faults.append(
                Fault(file, f"the study differs from {known} in spelling alone",
                      f"Write {known}, or rename one", int(str(row)), str(study.name), str(name))
            )  # fmt: skip
    return faults


def _same_numbers(frame: pd.DataFrame, schema: Schema, study: pd.Series, file: str) -> list[Fault]:
    """Tell the studies of which several rows repeat the means and spreads of another's."""
    columns = [name for role in NUMBERS if (name := schema.column(role))]
    if len(columns) < len(NUMBERS):
        return []
    numbers = frame[columns].dropna()
    # Groups that stand at zero are no fingerprint.
    numbers = numbers[(numbers != 0).all(axis=1)]
    own = study[numbers.index]
    first = own.groupby([numbers[name] for name in columns]).transform("first")
    repeats = pd.DataFrame({"first": first, "study": own})[first != own]
    faults = []
    for (original, name), rows in repeats.groupby(["first", "study"], sort=True):
        if len(numbers.loc[rows.index].drop_duplicates()) > BY_CHANCE:
            faults.append(
                Fault(file, f"{len(rows)} rows have the means and spreads of the study {original}",
                      "Give both one study identifier, or correct the numbers",
                      int(str(rows.index[0])), str(study.name), str(name))
            )  # fmt: skip
    return faults
