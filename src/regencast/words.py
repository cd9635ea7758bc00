"""Names of columns and levels as a scientist writes them, and as files can be called."""

from __future__ import annotations

import re
import textwrap
from itertools import chain, count

#: A file's name may be no longer than 255 bytes, and a letter of a factor may take four.
LONGEST = 50
#: Words of column names and levels that a scientist writes in capitals.
ACRONYMS = {
    word.lower(): word
    for word in (
        "EV EVs OA SCI OVX AKI MCAO ECM BMSC ADSC UCMSC MSC iPSC ESC EPC DPSC MRI LVEF BMD ALP "
        "miRNA siRNA lncRNA circRNA mRNA RNase LPS 3D DNA OARSI ACLT DMM TBI ALI CKD PBS BV/TV "
        "DOI PMID URL"
    ).split()
}


def readable(name: str) -> str:
    """Return a column's name as a scientist writes it.

    Examples
    --------
    >>> readable("ev_source")
    'EV source'
    >>> readable("group size")
    'Group size'
    """
    text = _spelled(name)
    return text[:1].upper() + text[1:]


def readable_level(level: object, width: int = 28) -> str:
    """Return a level as text for an axis, shortened to a width.

    Examples
    --------
    >>> readable_level("hydrogel_natural"), readable_level("bv_tv")
    ('hydrogel natural', 'BV/TV')
    """
    if level is None or level != level:
        return "not reported"
    if isinstance(level, float):
        return f"{level:g}"
    return textwrap.shorten(_spelled(str(level).replace("+", " + ")), width, placeholder="...")


def _spelled(name: str) -> str:
    words = name.replace("bv_tv", "bv/tv").replace("_", " ").split()
    return " ".join(ACRONYMS.get(word.lower(), word) for word in words)


def file_names(factors: list[str]) -> dict[str, str]:
    """Return for each factor what its files are named by: letters, digits, hyphens, underscores.

    Examples
    --------
    >>> file_names(["follow up", "dose mg/kg", "dose_mg kg"])
    {'follow up': 'follow_up', 'dose mg/kg': 'dose_mg_kg', 'dose_mg kg': 'dose_mg_kg-2'}
    """
    names: dict[str, str] = {}
    for factor in factors:
        plain = re.sub(r"[^\w-]", "_", factor)[:LONGEST]
        numbered = (f"{plain}-{k}" for k in count(2))
        names[factor] = next(n for n in chain([plain], numbered) if n not in names.values())
    return names
