"""What can go wrong, in one place: a fault says where it is, what was found and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in one place of a file.

    Attributes
    ----------
    file : str
        The file as the user named it.
    problem : str
        What is wrong.
    remedy : str
        What to do next.
    row : int or None
        The row as a spreadsheet shows it (the header is row 1).
    column : str or None
        The column's name.
    value : str or None
        What was found there.
    """

    file: str
    problem: str
    remedy: str
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        """Return the fault as one line: where, what was found, what to do."""
        where = [self.file]
        if self.row is not None:
            where.append(f"row {self.row}")
        if self.column is not None:
            where.append(f"column {self.column}")
        found = "" if self.value is None else f" (found {_short(self.value)!r})"
        return f"{', '.join(where)}: {self.problem}{found}. {self.remedy}"

    def to_dict(self) -> dict[str, object]:
        """Return the fault's fields, for JSON."""
        return asdict(self)


class RegencastError(Exception):
    """Any fault of input or data: the command line prints it and exits with 1."""


class UsageError(RegencastError):
    """The command was called in a way that cannot work: exit code 2."""


class FaultyInput(RegencastError):
    """A file has faults; all of them are in ``faults``.

    Parameters
    ----------
    faults : list of Fault
        Every fault found, in the order of the file.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[type[FaultyInput], tuple[list[Fault]]]:
        """Travel between processes as faults: an exception would send its message instead."""
        return type(self), (self.faults,)


def fail(file: object, problem: str, remedy: str, **place: object) -> FaultyInput:
    """Return the error for a single fault, ready to raise.

    Parameters
    ----------
    file, problem, remedy, **place
        As in `Fault`.
    """
    return FaultyInput([Fault(str(file), problem, remedy, **place)])  # type: ignore[arg-type]


def _short(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
