"""Every check of a table of contrasts: what a cell may hold, and what cells must say together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from regencast.corpus.constraints import constraint_rules
from regencast.corpus.papers import plain
from regencast.corpus.pvalue import is_p, read_p
from regencast.corpus.schema import PLAIN, Field, Schema
from regencast.corpus.tables import is_number
from regencast.errors import Fault

DOSE_UNITS = (
    "ug",
    "particles",
    "ug_per_ml",
    "particles_per_ml",
    "ug_per_kg",
    "particles_per_kg",
    "cell_equivalents",
)
LEVELS = {
    "outcome_better": ("higher", "lower"),
    "dispersion": ("sd", "sem", "ci95"),
    "direction": ("better", "no_difference", "worse", "mixed"),
    "significance": ("significant", "not_significant", "not_stated"),
    "completeness": ("complete", "near_complete", "partial", "none"),
    "dose_unit": DOSE_UNITS,
}
#: Smallest allowed value by role, whether the bound itself is allowed, and what to do.
BOUNDS = {
    "sd_treated": (0.0, True, "A spread is zero or more; empty if not reported"),
    "sd_control": (0.0, True, "A spread is zero or more; empty if not reported"),
    "n_treated": (2.0, True, "A group needs at least 2 animals; empty if not reported"),
    "n_control": (2.0, True, "A group needs at least 2 animals; empty if not reported"),
    "ratio": (0.0, False, "A ratio treated/control is above zero (a 40 % rise is 1.4)"),
    "smd_variance": (0.0, False, "A variance is above zero; empty if not reported"),
    "dose_value": (0.0, True, "A dose is zero or more; empty if not reported"),
    "dose_volume": (0.0, False, "A volume is above zero, in microlitres"),
}


def cell_faults(frame: pd.DataFrame, schema: Schema, file: str) -> list[Fault]:
    """Check every cell on its own: type, range, level, identifiers.

    Parameters
    ----------
    frame : pandas.DataFrame
        Strings, indexed by spreadsheet row; missing cells are NA.
    schema : Schema
    file : str
        The file's name, for the messages.

    Returns
    -------
    list of Fault
    """
    # pandera takes a second to import; only checking needs it.
    import pandera.pandas as pa

    remedies: dict[str, str] = {}
    columns = {}
    for field in schema.fields:
        checks = []
        for problem, remedy, passes in _rules(field):
            # The key carries column and problem through pandera's table of failures.
            key = f"{field.name}\t{problem}"
            remedies[key] = remedy
            checks.append(pa.Check(passes, element_wise=True, error=key))
        limits = field.constraints or {}
        columns[field.name] = pa.Column(
            object,
            checks,
            nullable=not (field.role in ("study", "contrast") or limits.get("required", False)),
            unique=field.role == "contrast" or limits.get("unique", False),
            report_duplicates="all",
        )
    try:
        pa.DataFrameSchema(columns).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        named = {schema.study, schema.contrast}
        return [_fault(file, case, remedies, named) for case in cases.itertuples()]
    return []


def _fault(file: str, case: object, remedies: dict[str, str], identifiers: set[str]) -> Fault:
    check, column = str(case.check), str(case.column)  # type: ignore[attr-defined]
    row = int(case.index)  # type: ignore[attr-defined]
    value = case.failure_case  # type: ignore[attr-defined]
    text = None if pd.isna(value) else str(value)
    if check in remedies:
        return Fault(file, check.split("\t")[1], remedies[check], row, column, text)
    what = "identifier" if column in identifiers else "value"
    if check == "field_uniqueness":
        return Fault(file, f"the {what} stands twice", "Give every row its own", row, column, text)
    return Fault(file, f"the {what} is empty", "Fill it in", row, column, text)


def _rules(field: Field) -> Iterator[tuple[str, str, Callable[[object], bool]]]:
    """Yield problem, remedy and test of each rule for a column's cells."""
    if field.type == "number":
        yield "it is not a number", "Write a plain number (1.5), or leave it empty", is_number
        if field.role in BOUNDS:
            low, closed, remedy = BOUNDS[field.role]
            yield "the number is too small", remedy, _at_least(low, closed)
        if field.kind == "log_number":
            yield ("the number is not above zero", "This factor counts in ratios; empty if unknown",
                   _at_least(0.0, False))  # fmt: skip
    if field.kind == "labels":
        yield ("it names no label", "Write labels joined by +, or leave it empty",
               lambda cell: bool(field.levels(cell)))  # fmt: skip
        yield (
            f"{PLAIN} stands beside another label",
            "Keep one of the two",
            lambda cell: PLAIN not in field.levels(cell) or len(field.levels(cell)) == 1,
        )
    levels = LEVELS.get(field.role)
    if levels:
        yield "the level is unknown", f"Use one of {', '.join(levels)}", levels.__contains__
    if field.role == "p_value":
        yield "it is no p-value", "Write it as reported, with a point (0.012, <0.05, ns)", is_p
    yield from constraint_rules(field.constraints or {}, field.type == "number", field.levels)


def _at_least(low: float, closed: bool) -> Callable[[object], bool]:
    def passes(cell: object) -> bool:
        # Text is the number rule's fault, not this one's.
        if not is_number(cell):
            return True
        value = float(str(cell))
        return value >= low if closed else value > low

    return passes


def row_faults(frame: pd.DataFrame, schema: Schema, file: str) -> list[Fault]:
    """Check what the cells of a row say together, on a typed frame.

    Parameters
    ----------
    frame : pandas.DataFrame
        Typed, indexed by spreadsheet row.
    schema : Schema
    file : str

    Returns
    -------
    list of Fault
    """
    faults: list[Fault] = []
    column = schema.column

    def get(role: str) -> pd.Series:
        name = column(role)
        return frame[name] if name else pd.Series(pd.NA, index=frame.index, dtype=object)

    def add(mask: pd.Series, role: str, problem: str, remedy: str) -> None:
        name = column(role)
        values = get(role)
        for row in frame.index[mask.fillna(False).astype(bool)]:
            found = values[row]
            faults.append(
                Fault(file, problem, remedy, int(row), name, None if pd.isna(found) else str(found))
            )

    means = get("mean_treated").notna() & get("mean_control").notna()
    oriented = get("outcome_better").notna()
    if column("outcome_better"):
        for role, there in (("mean_treated", means), ("ratio", get("ratio").notna())):
            if column(role):
                add(there & ~oriented, role, "nothing says whether higher or lower is better",
                    "Fill in outcome_better")  # fmt: skip
    for one, other in (("mean_treated", "mean_control"), ("smd_ci_low", "smd_ci_high")):
        if column(one) and column(other):
            add(get(one).notna() & get(other).isna(), one, f"{column(other)} is missing beside it",
                "Fill in both or neither")  # fmt: skip
    if column("smd_ci_low") and column("smd_ci_high"):
        low, high = (pd.to_numeric(get(f"smd_ci_{end}")) for end in ("low", "high"))
        add(low >= high, "smd_ci_low", "the interval's lower end is not below its upper end",
            "Swap or correct them")  # fmt: skip
        if column("smd"):
            smd = pd.to_numeric(get("smd"))
            add((low < high) & ((smd < low) | (smd > high)), "smd",
                "the SMD lies outside its own interval", "Read the source again")  # fmt: skip
    if column("direction") and column("significance"):
        null = get("direction").eq("no_difference") & get("significance").eq("significant")
        add(null, "significance", "no difference cannot be significant",
            "Correct direction or significance")  # fmt: skip
    if column("direction") and column("p_value"):
        silent = get("significance").isna() | get("significance").eq("not_stated")
        null = get("direction").eq("no_difference") & get("p_value").map(read_p).eq(True) & silent
        add(null, "p_value", "no difference cannot be significant",
            "Correct the direction; leave out a p-value that is not of this contrast")  # fmt: skip
    if column("p_value") and column("significance"):
        told = get("significance").map({"significant": True, "not_significant": False})
        tested = get("p_value").map(read_p)
        add(told.notna() & tested.notna() & told.ne(tested), "p_value",
            "the p-value contradicts the significance",
            "Correct one; leave out a p-value that is not of this contrast")  # fmt: skip
    if column("dose_value") and column("dose_unit"):
        add(get("dose_value").notna() & get("dose_unit").isna(), "dose_value",
            "the dose has no unit", f"Use one of {', '.join(DOSE_UNITS)}")  # fmt: skip
    if column("direction"):
        add(_contradicts(get, bool(column("outcome_better"))), "direction",
            "the direction contradicts the numbers",
            "Correct direction, outcome_better or the numbers (SMD above 0 is better)")  # fmt: skip
    return faults


def comparison_faults(frame: pd.DataFrame, schema: Schema, file: str) -> list[Fault]:
    """Check that a group compared with its unmodified like is said to be modified.

    A row that sets an unmodified group against another tells of what else the animals got, a drug
    beside the treatment, and would be learned as a modification that does nothing or much.

    Parameters
    ----------
    frame : pandas.DataFrame
        Typed, indexed by spreadsheet row.
    schema : Schema
        Whose ``compares`` names, by comparator, the columns that such a row varies.
    file : str

    Returns
    -------
    list of Fault
        One for each row whose varied labels all say that nothing was done; what is empty may be.
    """
    field = next((field for field in schema.fields if field.compares), None)
    if field is None or field.compares is None:
        return []
    labels = {f.name for f in schema.fields if f.kind == "labels"}
    faults = []
    for comparator, varied in field.compares.items():
        if not varied or not labels.issuperset(varied):
            continue
        same = frame[field.name].eq(comparator) & frame[varied].eq(PLAIN).all(axis=1)
        faults += [
            Fault(file, f"nothing parts the groups: {' and '.join(varied)} say {PLAIN}",
                  "Name what was modified, or the comparator that it was; leave out a contrast of "
                  "what was given beside", int(row), field.name, comparator)
            for row in frame.index[same.fillna(False)]
        ]  # fmt: skip
    return faults


def spelling_faults(frame: pd.DataFrame, schema: Schema, file: str) -> list[Fault]:
    """Check that no two levels of a factor differ by what `plain` does not see.

    They would be learned as two.

    Parameters
    ----------
    frame : pandas.DataFrame
        Typed, indexed by spreadsheet row.
    schema : Schema
    file : str

    Returns
    -------
    list of Fault
        One for each rarer spelling, at its first row.
    """
    faults = []
    for field in schema.fields:
        if field.role != "factor" or field.type == "number":
            continue
        levels = frame[field.name].map(field.levels).explode().dropna()
        counts = levels.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        usual: dict[str, str] = {}
        for level in counts.index:
            known = usual.setdefault(plain(level), level)
            if known != level:
                row = int(levels.index[levels.eq(level)][0])
                faults.append(
                    Fault(file, f"the level differs from {known} in spelling alone",
                          f"Write {known}, or rename one", row, field.name, level)
                )  # fmt: skip
    return faults


def _contradicts(get: Callable[[str], pd.Series], oriented: bool) -> pd.Series:
    """Return the rows whose stated direction has the other sign than their means, ratio or SMD."""
    treated, control, ratio, smd = (
        pd.to_numeric(get(role)) for role in ("mean_treated", "mean_control", "ratio", "smd")
    )
    # Where no column says so, higher is better.
    sign = get("outcome_better").map({"higher": 1.0, "lower": -1.0}).astype(float)
    sign = sign if oriented else 1.0
    direction = get("direction")
    wrong = pd.Series(False, index=direction.index)
    for gain in ((treated - control) * sign, (ratio - 1) * sign, smd):
        wrong |= (direction.eq("better") & (gain < 0)) | (direction.eq("worse") & (gain > 0))
    return wrong
