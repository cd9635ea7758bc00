"""Understanding designs as scientists write them: headers, spellings, units in a cell."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from regencast.corpus import Field, normal
from regencast.designs import DesignEncoder
from regencast.designs.dose import UNITS
from regencast.forecasting.headers import meant_headers, misspelt_columns

#: What a written unit of a dose is in the corpus's units, and by what the value is multiplied.
DOSES = {
    "ug": ("ug", 1.0), "mcg": ("ug", 1.0), "microgram": ("ug", 1.0), "micrograms": ("ug", 1.0),
    "mg": ("ug", 1e3), "ng": ("ug", 1e-3), "ug/ml": ("ug_per_ml", 1.0), "mg/ml": ("ug_per_ml", 1e3),
    "ug/kg": ("ug_per_kg", 1.0), "mg/kg": ("ug_per_kg", 1e3), "particles": ("particles", 1.0),
    "particle": ("particles", 1.0), "evs": ("particles", 1.0), "vesicles": ("particles", 1.0),
    "particles/ml": ("particles_per_ml", 1.0), "particles/kg": ("particles_per_kg", 1.0),
    "cellequivalents": ("cell_equivalents", 1.0), "cells": ("cell_equivalents", 1.0),
}  # fmt: skip
#: Weeks in a written unit of time.
WEEKS = {
    "week": 1.0, "weeks": 1.0, "wk": 1.0, "wks": 1.0, "w": 1.0, "day": 1 / 7, "days": 1 / 7,
    "d": 1 / 7, "month": 365.25 / 84, "months": 365.25 / 84,
}  # fmt: skip
#: A number (12, 1.5e8, 2 x 10^9), then its unit.
NUMBER = re.compile(
    r"^\s*([0-9.]+\s*[x*]\s*10\^[0-9]+|[0-9][0-9.]*(?:e[+-]?[0-9]+)?)\s*(.*)$", re.IGNORECASE
)
#: A number with commas between its thousands; a single comma (1,250) may stand for a point.
THOUSANDS = re.compile(r"^[1-9]\d{0,2}(?:,\d{3}){2,}(?![\d,])")


def understand(
    frame: pd.DataFrame, encoder: DesignEncoder, synonyms: Mapping[str, Mapping[str, str]]
) -> tuple[pd.DataFrame, pd.Series]:
    """Return designs in the corpus's own words, and what was understood.

    Parameters
    ----------
    frame : pandas.DataFrame
        Designs as read.
    encoder : DesignEncoder
        Whose levels and columns are meant.
    synonyms : mapping
        By column, from a normal text (see `normal`) to a level or labels joined by ``+``.

    Returns
    -------
    frame : pandas.DataFrame
        The same rows; what is not understood stays as it was written.
    understood : pandas.Series of str
        For each row what was read as something else; empty where nothing was.
    """
    frame = meant_headers(frame, encoder).copy()
    notes: dict[object, list[str]] = {row: [] for row in frame.index}
    fields = {field.name: field for field in encoder.schema.design}
    unit_column = encoder.schema.column("dose_unit")
    for name in [column for column in frame if column in fields]:
        field = fields[name]
        read = _reader(field, encoder, synonyms.get(name, {}))
        cells = [(row, cell) for row, cell in frame[name].items() if not pd.isna(cell)]
        for row, cell in cells:
            value, unit = read(cell)
            if unit and unit_column:
                if unit_column in frame and _contradicts(cell, frame.at[row, unit_column]):
                    continue
                frame.at[row, unit_column] = unit
            if str(value) != str(cell).strip():
                frame.at[row, name] = value
                said = "left open" if value is None else f"{value} {unit}".strip()
                notes[row].append(f"{name}: {cell} = {said}")
    _convert_units(frame, encoder, notes)
    _unusable_doses(frame, encoder, notes)
    for column, meant in misspelt_columns(frame, encoder).items():
        for row in frame.index[frame[column].notna()]:
            notes[row].append(f"column {column} is not read ({meant} is a column)")
    return frame, pd.Series(["; ".join(notes[row]) for row in frame.index], frame.index)


def has_design(frame: pd.DataFrame, encoder: DesignEncoder) -> bool:
    """Return whether any column is one of a design."""
    return any(field.name in meant_headers(frame, encoder) for field in encoder.schema.design)


def _reader(field: Field, encoder: DesignEncoder, synonyms: Mapping[str, str]):
    """Return a function from a cell to its value and, for a dose, the unit written in it."""
    if field.type == "number":
        return lambda cell: _number(field, cell)
    if field.role == "dose_unit":
        return lambda cell: (cell, "")
    known = encoder.known_levels(field.name)
    spelled = {normal(level): level for level in known}
    table = {**{normal(k): v for k, v in synonyms.items()}, **spelled}

    def read(cell: object) -> tuple[object, str]:
        if str(cell) in known:
            return str(cell), ""
        whole = table.get(normal(cell))
        if whole or field.kind != "labels":
            return whole or cell, ""
        parts = [part.strip() for part in re.split(r"[+,;&]|\band\b|\bplus\b", str(cell))]
        return "+".join(table.get(normal(part), part) for part in parts if part) or None, ""

    return read


def _number(field: Field, cell: object) -> tuple[object, str]:
    """Read a number with a unit behind it; what is not understood stays as written."""
    found = _amount(cell)
    if found is None:
        return cell, ""
    value, unit = found
    if not unit:
        return (cell if _plain(cell) else value), ""
    if field.role == "dose_value" and unit in DOSES:
        name, factor = DOSES[unit]
        return f"{value * factor:g}", name
    if "week" in field.name and unit in WEEKS:
        return f"{value * WEEKS[unit]:g}", ""
    return cell, ""


def _amount(cell: object) -> tuple[float, str] | None:
    """Return a written number and the normal text behind it."""
    text = str(cell).strip()
    thousands = THOUSANDS.match(text)
    if thousands:
        text = thousands[0].replace(",", "") + text[thousands.end() :]
    found = NUMBER.match(text)
    # A comma that parts no thousands may stand for a point: nobody's guess.
    if found is None or found[2].startswith(","):
        return None
    try:
        return float(re.sub(r"\s*[x*]\s*10\^", "e", found[1])), normal(found[2])
    except ValueError:
        return None


def written_dose(cell: object) -> tuple[str, float] | None:
    """Return the unit that stands behind a number, as the corpus's and by what to multiply.

    Examples
    --------
    >>> written_dose("0.1 mg"), written_dose("100")
    (('ug', 1000.0), None)
    """
    found = _amount(cell)
    return DOSES.get(found[1]) if found else None


def _contradicts(cell: object, unit: object) -> bool:
    """Return whether a unit column says another unit than the dose's own cell."""
    if pd.isna(unit):
        return False
    meant = (unit, 1.0) if unit in UNITS else DOSES.get(normal(unit))
    return meant != written_dose(cell)


def _plain(cell: object) -> bool:
    try:
        return bool(np.isfinite(float(str(cell))))
    except ValueError:
        return False


def _unusable_doses(
    frame: pd.DataFrame, encoder: DesignEncoder, notes: dict[object, list[str]]
) -> None:
    """Say of a concentration without its volume that no dose can be reckoned from it."""
    roles = ("dose_value", "dose_unit", "dose_volume")
    value, unit, volume = (encoder.schema.column(role) for role in roles)
    if value not in frame or unit not in frame:
        return
    for row, written in frame[unit].items():
        per_volume = UNITS.get(str(written), ("", False))[1]
        known = volume in frame and not pd.isna(frame.at[row, volume])
        if per_volume and not known and not pd.isna(frame.at[row, value]):
            notes[row].append(f"{value}: {written} without {volume} tells no dose")


def _convert_units(
    frame: pd.DataFrame, encoder: DesignEncoder, notes: dict[object, list[str]]
) -> None:
    """Bring written units of the unit column to the corpus's, with the value."""
    unit, value = (encoder.schema.column(role) for role in ("dose_unit", "dose_value"))
    if unit not in frame or value not in frame:
        return
    for row, written in frame[unit].items():
        if pd.isna(written) or written in UNITS or normal(written) not in DOSES:
            continue
        name, factor = DOSES[normal(written)]
        amount = frame.at[row, value]
        frame.at[row, unit] = name
        if factor != 1.0 and _plain(amount):
            frame.at[row, value] = f"{float(amount) * factor:g}"
            notes[row].append(f"{value}: {amount} {written} = {frame.at[row, value]} {name}")
        else:
            notes[row].append(f"{unit}: {written} = {name}")
