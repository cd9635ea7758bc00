"""Headers as scientists write them: which column of a design each means, or only looks like."""

from __future__ import annotations

import difflib
import re

import pandas as pd

from regencast.corpus import Field, normal
from regencast.corpus.schema import SIZE_ROLES
from regencast.designs import DesignEncoder
from regencast.errors import fail

#: Likeness of two headers, of 1, from which one is taken for the other misspelt.
ALIKE = 0.8
#: Words by which columns name the unit of their numbers.
UNIT_WORDS = frozenset("day days kg mg ml mm month months ng ug ul week weeks".split())
#: Words that tell of no column, though columns have them.
VAGUE = frozenset(("number", "size", "type", "unit", "up", "value"))
#: Words of headers for the size of a group, and for an amount in a unit.
SIZE_WORDS = frozenset(("animals", "n"))
DOSE_WORDS = frozenset(("mcg", "mg", "ng", "particles", "ug"))


def misspelt_columns(frame: pd.DataFrame, encoder: DesignEncoder) -> dict[str, str]:
    """Return the columns that look like one of a design and are none, with the one they look like.

    A column looks like one whose name is spelt alike, or that shares a telling word with it
    (``dose_mg``, ``Tissue/organ``), and that the table lacks; with it stands the unit that it
    wants. Columns of the user's own, a name or a note, are no fault; what is written in a misspelt
    one would be forecast as left open.
    """
    frame = meant_headers(frame, encoder)
    fields = {normal(field.name): field for field in encoder.schema.design}
    absent = [name for name, field in fields.items() if field.name not in frame]
    telling = {field.name: _telling(field, encoder) for field in encoder.schema.design}
    found = {}
    for column in frame:
        if normal(column) in fields:
            continue
        near = difflib.get_close_matches(normal(column), absent, 1, ALIKE)
        field = fields[near[0]] if near else _named(str(column), encoder, telling)
        if field is not None and field.name not in frame:
            found[str(column)] = _wanted(field, encoder)
    return found


def _named(header: str, encoder: DesignEncoder, telling: dict[str, set[str]]) -> Field | None:
    """Return the field with which a header shares most words, by which it can be told."""
    words, fields = _words(header), encoder.schema.design
    alike = [
        field for field in fields
        if words & telling[field.name] or _words(field.name) - UNIT_WORDS <= words
    ]  # fmt: skip
    if not alike and words & DOSE_WORDS:
        alike = [field for field in fields if field.role == "dose_value"]
    # Of equals the dose's value comes first, for it is what a bare `dose` means.
    alike.sort(key=lambda field: field.role != "dose_value")
    shared = [len(words & _words(f"{field.name} {field.factor}")) for field in alike]
    return alike[shared.index(max(shared))] if alike else None


def _telling(field: Field, encoder: DesignEncoder) -> set[str]:
    """Return the words each of which tells a column from those of other factors."""
    if field.role in SIZE_ROLES:
        return set(SIZE_WORDS)
    others = [_words(f.name) for f in encoder.schema.design if f.factor != field.factor]
    return _words(field.name).difference(VAGUE, UNIT_WORDS, *others)


def _words(text: str) -> set[str]:
    """Return the words of a header, those in the plural as one, too."""
    folded = text.casefold().replace("\u00b5", "u").replace("\u03bc", "u")
    words = set(re.findall(r"[^\W\d_]+", folded))
    return words | {word.removesuffix("s") for word in words}


def _wanted(field: Field, encoder: DesignEncoder) -> str:
    """Return the name of a column, with the unit that its numbers want."""
    unit = encoder.schema.column("dose_unit")
    last = field.name.casefold().rpartition("_")[2]
    if field.role == "dose_value" and unit:
        return f"{field.name} with {unit}"
    return f"{field.name} in {last}" if last in UNIT_WORDS else field.name


def meant_columns(frame: pd.DataFrame, encoder: DesignEncoder) -> dict[str, str]:
    """Return the columns of a table that are ones of a design, with the one that each means.

    The dose's value is also known by the name of its factor.
    """
    names = {normal(field.name): field.name for field in encoder.schema.design}
    taken = {normal(field.name) for field in encoder.schema.fields}
    for field in encoder.schema.design:
        if field.role == "dose_value" and normal(field.factor) not in taken:
            names[normal(field.factor)] = field.name
    return {column: names[normal(column)] for column in frame if normal(column) in names}


def meant_headers(frame: pd.DataFrame, encoder: DesignEncoder) -> pd.DataFrame:
    """Return a table with the columns of a design called as the corpus calls them.

    Raises
    ------
    FaultyInput
        If two columns mean the same.
    """
    meant = meant_columns(frame, encoder)
    same: dict[str, list[str]] = {}
    for column, name in meant.items():
        same.setdefault(name, []).append(str(column))
    for name, columns in same.items():
        if len(columns) > 1:
            raise fail("the header", f"two columns mean {name}", "Keep one of them",
                       value=", ".join(columns))  # fmt: skip
    return frame.rename(columns=meant)
