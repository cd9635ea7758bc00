"""The dose as reported, on scales that can be compared.

Mass, particle numbers, both per kilogram and cell equivalents stay apart: no honest conversion
between them exists.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from regencast.corpus import Schema

#: Scale of each unit and whether the reported value is a concentration.
UNITS = {
    "ug": ("mass_ug", False),
    "ug_per_ml": ("mass_ug", True),
    "particles": ("particles", False),
    "particles_per_ml": ("particles", True),
    "ug_per_kg": ("mass_ug_per_kg", False),
    "particles_per_kg": ("particles_per_kg", False),
    "cell_equivalents": ("cell_equivalents", False),
}
SCALES = tuple(dict.fromkeys(scale for scale, _ in UNITS.values()))
UL_PER_ML = 1000.0


def normalise_dose(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return the dose of one administration on each scale.

    Parameters
    ----------
    frame : pandas.DataFrame
        Designs, with the columns of the roles ``dose_value``, ``dose_unit``, ``dose_volume``.
    schema : Schema

    Returns
    -------
    pandas.DataFrame
        One column per scale: ``mass_ug``, ``particles``, ``mass_ug_per_kg``,
        ``particles_per_kg``, ``cell_equivalents``. NaN where the dose was reported on another
        scale, not at all, or as a concentration without its volume.
    """
    columns = {role: schema.column(role) for role in ("dose_value", "dose_unit", "dose_volume")}
    blank = pd.Series(np.nan, index=frame.index)
    value, volume = (
        pd.to_numeric(frame[columns[role]], errors="coerce") if columns[role] else blank
        for role in ("dose_value", "dose_volume")
    )
    unit = frame[columns["dose_unit"]] if columns["dose_unit"] else blank.astype(object)
    doses = pd.DataFrame(np.nan, index=frame.index, columns=list(SCALES))
    for name, (scale, concentration) in UNITS.items():
        rows = unit.eq(name)
        amount = value * volume / UL_PER_ML if concentration else value
        doses.loc[rows, scale] = amount[rows]
    return doses
