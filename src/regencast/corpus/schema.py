"""The descriptor of a data package: which column plays which role."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from regencast.corpus.constraints import constraint_problem
from regencast.errors import Fault, FaultyInput, fail

#: Roles of the outcome; each stands at most once.
OUTCOME_ROLES = (
    "outcome_better",
    "mean_treated",
    "sd_treated",
    "n_treated",
    "mean_control",
    "sd_control",
    "n_control",
    "dispersion",
    "ratio",
    "smd",
    "smd_variance",
    "smd_ci_low",
    "smd_ci_high",
    "p_value",
    "direction",
    "significance",
    "completeness",
)
DOSE_ROLES = ("dose_value", "dose_unit", "dose_volume")
NUMBER_ROLES = (
    "dose_value",
    "dose_volume",
    *(role for role in OUTCOME_ROLES if role.startswith(("mean_", "sd_", "n_", "smd", "ratio"))),
)
#: Roles of which the first says nothing without the second.
TOGETHER = (
    ("dose_value", "dose_unit"),
    ("mean_treated", "mean_control"),
    ("sd_treated", "sd_control"),
    ("n_treated", "n_control"),
    ("smd_ci_low", "smd_ci_high"),
)
#: Tables that a package may carry beside its contrasts.
BESIDE = ("pooled", "readings", "synonyms", "vocabulary")
FREE_ROLES = ("reference", "note")
ROLES = ("study", "contrast", "factor", *DOSE_ROLES, *OUTCOME_ROLES, *FREE_ROLES)
KINDS = ("category", "labels", "number", "log_number")
DOSE_GROUP = "dose"
#: Animals per group are known before a study is run, and small studies report larger effects
#: (Sterne, Gavaghan and Egger 2000, J Clin Epidemiol 53:1119-1129): they are a moderator.
SIZE_ROLES = ("n_treated", "n_control")
SIZE_GROUP = "group size"
#: File systems take no longer name.
LONGEST_NAME = 255
#: What a labels column says of a group that was left as it is.
PLAIN = "none"


def split_labels(value: object) -> tuple[str, ...]:
    """Return the labels of a cell, each once.

    Parameters
    ----------
    value : object
        Labels joined by ``+``, or a missing value.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> split_labels("hypoxia + 3d_culture")
    ('hypoxia', '3d_culture')
    """
    if value is None or pd.isna(value):
        return ()
    parts = (part.strip() for part in str(value).split("+"))
    return tuple(dict.fromkeys(part for part in parts if part))


@dataclass(frozen=True)
class Field:
    """One column: its name, type (``string`` or ``number``), role and, for a factor, its kind.

    ``group`` is the design factor that a scientist would name; by default the column itself.
    ``compares`` stands on the column that names the comparator: for a level that makes the row a
    head-to-head comparison (``unmodified_ev``), the columns that it may vary. ``constraints`` are
    those of the Frictionless table schema: what a cell may hold beyond its role's rules.
    """

    name: str
    type: str
    role: str
    kind: str | None = None
    group: str | None = None
    compares: dict[str, list[str]] | None = None
    constraints: dict[str, Any] | None = None

    @property
    def factor(self) -> str:
        """The design factor to which the column belongs."""
        if self.role in DOSE_ROLES:
            return self.group or DOSE_GROUP
        if self.role in SIZE_ROLES:
            return self.group or SIZE_GROUP
        return self.group or self.name

    def levels(self, cell: object) -> tuple[str, ...]:
        """Return the levels that a cell names: none where it is missing, several of labels."""
        if self.kind == "labels":
            return split_labels(cell)
        return () if cell is None or pd.isna(cell) else (str(cell),)

    @property
    def is_design(self) -> bool:
        """Whether the column describes the design: a factor, part of the dose, a group's size."""
        return self.role == "factor" or self.role in DOSE_ROLES or self.role in SIZE_ROLES


@dataclass(frozen=True)
class Schema:
    """All columns of the table of contrasts, in their order."""

    name: str
    fields: tuple[Field, ...]
    missing: tuple[str, ...] = ("",)

    def column(self, role: str) -> str | None:
        """Return the name of the only column with a role, or None.

        Parameters
        ----------
        role : str
            Any role that stands once (not ``factor``, ``reference`` or ``note``).
        """
        return next((field.name for field in self.fields if field.role == role), None)

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or None."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def study(self) -> str:
        """Name of the column that identifies the study."""
        return self.column("study") or ""

    @property
    def contrast(self) -> str:
        """Name of the column that identifies the contrast."""
        return self.column("contrast") or ""

    @property
    def design(self) -> tuple[Field, ...]:
        """The columns that describe a design, in the table's order."""
        return tuple(field for field in self.fields if field.is_design)

    @property
    def factors(self) -> tuple[str, ...]:
        """The design factors that a scientist would name, each once, in the table's order."""
        return tuple(dict.fromkeys(field.factor for field in self.design))

    def to_dict(self) -> dict[str, object]:
        """Return the schema as plain data, for JSON."""
        return {
            "name": self.name,
            "missing": list(self.missing),
            # Constraints check a table; they say nothing of what is in it.
            "fields": [
                {name: value for name, value in vars(field).items() if name != "constraints"}
                for field in self.fields
            ],
        }

    @classmethod
    def from_dict(cls, data: dict) -> Schema:
        """Rebuild a schema from `to_dict`."""
        fields = tuple(Field(**field) for field in data["fields"])
        return cls(data["name"], fields, tuple(data["missing"]))


def read_schema(package: Path) -> tuple[Schema, Path, dict[str, Path]]:
    """Read ``datapackage.json``.

    Parameters
    ----------
    package : Path
        The folder of a data package, or its descriptor.

    Returns
    -------
    schema : Schema
    table : Path
        The CSV file of contrasts that the descriptor names.
    beside : dict
        The CSV files of its resources that are in `BESIDE`, where it has them.

    Raises
    ------
    FaultyInput
        If the descriptor is missing, is not JSON, or lacks a role that every corpus needs.
    """
    path = package / "datapackage.json" if package.is_dir() else package
    if not path.is_file():
        raise fail(
            path, "there is no such data package", "Name a folder that holds a datapackage.json"
        )
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        resource = _contrasts(data["resources"])
        entries = resource["schema"]["fields"]
        table = path.parent / resource["path"]
        beside = {
            str(r["name"]): path.parent / r["path"]
            for r in data["resources"]
            if r.get("name") in BESIDE
        }
        missing = resource["schema"].get("missingValues", [""])
        if not isinstance(entries, list) or not isinstance(missing, list):
            raise TypeError("fields and missingValues are lists")
        if any(len(file.name) > LONGEST_NAME for file in (table, *beside.values())):
            raise ValueError("a path is too long")
        inside = [
            file.resolve().is_relative_to(path.parent.resolve())
            for file in (table, *beside.values())
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OSError) as error:
        raise fail(
            path,
            f"it is not a Frictionless data package with a table schema ({error})",
            "Compare it with data/corpus/datapackage.json",
        ) from None
    # A package may not reach out of its own folder.
    for file, own in zip((table, *beside.values()), inside, strict=True):
        if not own:
            raise fail(
                path,
                "the table lies outside the package",
                "Put it beside datapackage.json",
                column="path",
                value=str(file),
            )
    fields, faults = _read_fields(str(path), entries)
    faults += [
        Fault(str(path), "an entry of missingValues is no text", "Write each as text, alone",
              column="missingValues", value=str(one))
        for one in missing if not isinstance(one, str)
    ]  # fmt: skip
    schema = Schema(str(data.get("name", path.parent.name)), fields, tuple(map(str, missing)))
    faults += _role_faults(str(path), schema)
    if faults:
        raise FaultyInput(faults)
    return schema, table, beside


def _contrasts(resources: list) -> dict:
    """Return the resource called ``contrasts``, or the first one."""
    return next((r for r in resources if r.get("name") == "contrasts"), resources[0])


def _read_fields(file: str, entries: list) -> tuple[tuple[Field, ...], list[Fault]]:
    fields, faults = [], []
    for entry in entries:
        if not isinstance(entry, dict) or not entry.get("name"):
            faults.append(Fault(file, "a field has no name", "Give every field a name and a role"))
            continue
        name, role, kind = str(entry["name"]), entry.get("role"), entry.get("kind")
        if role not in ROLES:
            faults.append(
                Fault(
                    file,
                    "the role is unknown",
                    f"Use one of {', '.join(ROLES)}",
                    column=name,
                    value=str(role),
                )
            )
            continue
        if role == "factor" and kind not in KINDS:
            faults.append(
                Fault(
                    file,
                    "the factor's kind is unknown",
                    f"Use one of {', '.join(KINDS)}",
                    column=name,
                    value=str(kind),
                )
            )
            continue
        number = role in NUMBER_ROLES or (role == "factor" and kind in ("number", "log_number"))
        compares = entry.get("compares")
        if compares is not None and not _is_comparison(compares, entries):
            faults.append(
                Fault(
                    file,
                    "compares must map levels to lists of this table's columns",
                    "Compare it with the comparator of data/corpus/datapackage.json",
                    column=name,
                    value=str(compares),
                )
            )
            continue
        written = {entry.get("decimalChar") or ".", entry.get("groupChar") or ""}
        if number and written != {".", ""}:
            faults.append(Fault(file, "its numbers are not written with a point alone",
                                "Write 1000.5, and take decimalChar and groupChar out",
                                column=name))  # fmt: skip
        if "missingValues" in entry:
            faults.append(Fault(file, "a field has missingValues of its own",
                                "Write them in the table's schema", column=name,
                                value=str(entry["missingValues"])))  # fmt: skip
        group = entry.get("group")
        if not isinstance(group, str | None):
            faults.append(Fault(file, "the group is no text", "Name one design factor",
                                column=name, value=str(group)))  # fmt: skip
            group = None
        constraints = entry.get("constraints")
        problem = None if constraints is None else constraint_problem(constraints)
        if problem:
            faults.append(
                Fault(file, problem, "Correct it or take it out", column=name,
                      value=str(constraints))
            )  # fmt: skip
            constraints = None
        cell = "number" if number else "string"
        fields.append(Field(name, cell, role, kind, group, compares, constraints))
    return tuple(fields), faults


def _is_comparison(compares: object, entries: list) -> bool:
    names = {entry.get("name") for entry in entries if isinstance(entry, dict)}
    return isinstance(compares, dict) and all(
        isinstance(columns, list) and all(column in names for column in map(str, columns))
        for columns in compares.values()
    )


def _role_faults(file: str, schema: Schema) -> list[Fault]:
    faults = []
    names = [field.name for field in schema.fields]
    faults += [
        Fault(file, "two fields have the same name", "Rename one", column=name)
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    once = [role for role in ROLES if role not in ("factor", *FREE_ROLES)]
    for role in once:
        holders = [field.name for field in schema.fields if field.role == role]
        if len(holders) > 1:
            faults.append(
                Fault(
                    file,
                    f"the role {role} stands {len(holders)} times ({', '.join(holders)})",
                    "Give it to one field",
                )
            )
    for role, what in (("study", "studies apart"), ("contrast", "rows apart")):
        if schema.column(role) is None:
            faults.append(
                Fault(
                    file, f"no field has the role {role}", f"Give it to the field that tells {what}"
                )
            )
    faults += [
        Fault(file, f"no field has the role {other}, without which {role} says nothing",
              f"Give it to a field, or make {role} a note")
        for role, other in TOGETHER if schema.column(role) and not schema.column(other)
    ]  # fmt: skip
    if not any(field.role in ("factor", "dose_value") for field in schema.design):
        faults.append(
            Fault(file, "no field has the role factor", "Name at least one design factor")
        )
    means = all(
        schema.column(r) for r in ("mean_treated", "mean_control", "sd_treated", "n_treated")
    )
    if not (means or schema.column("smd") or schema.column("direction")):
        faults.append(
            Fault(
                file,
                "no outcome can be read",
                "Give roles to means, SD and n, to smd, or to direction",
            )
        )
    return faults
