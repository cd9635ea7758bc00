"""Constraints that a descriptor sets on cells: those of a Frictionless table schema (v1)."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from regencast.corpus.tables import is_number

NUMBER = (int, float)
#: What each constraint must be, and how that is told.
KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "required": (bool, "true or false"),
    "unique": (bool, "true or false"),
    "minLength": (NUMBER, "a number"),
    "maxLength": (NUMBER, "a number"),
    "minimum": (NUMBER, "a number"),
    "maximum": (NUMBER, "a number"),
    "pattern": (str, "a regular expression"),
    "enum": (list, "a list"),
}

Rule = tuple[str, str, Callable[[object], bool]]


def constraint_problem(constraints: object) -> str | None:
    """Return why a field's constraints cannot be checked; None where they can.

    Parameters
    ----------
    constraints : object
        As the descriptor has them.

    Examples
    --------
    >>> constraint_problem({"minimum": "0"})
    'the constraint minimum is not a number'
    >>> constraint_problem({"minimum": 0}) is None
    True
    """
    if not isinstance(constraints, dict):
        return "the constraints are not a table of names and values"
    for name, given in constraints.items():
        if name not in KINDS:
            return f"the constraint {name} is none of {', '.join(KINDS)}"
        kind, told = KINDS[name]
        if not isinstance(given, kind) or (kind is not bool and isinstance(given, bool)):
            return f"the constraint {name} is not {told}"
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength")):
        if not constraints.get(low, -math.inf) <= constraints.get(high, math.inf):
            return f"the constraints {low} and {high} leave nothing"
    if constraints.get("enum") == []:
        return "the constraint enum leaves nothing"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(constraints.get("pattern", ""))
    except (re.error, OverflowError, RecursionError) as error:
        return f"the constraint pattern is not a regular expression ({error})"
    return None


def constraint_rules(
    constraints: dict[str, Any], number: bool, levels: Callable[[object], tuple[str, ...]]
) -> Iterator[Rule]:
    """Yield problem, remedy and test of each constraint on what a filled cell holds.

    Parameters
    ----------
    constraints : dict
        Without a `constraint_problem`.
    number : bool
        Whether the column holds numbers; that a cell is none is then another rule's to tell.
    levels : callable
        Gives the levels that a cell names; pattern and enum judge each of them.
    """
    low, high = constraints.get("minimum", -math.inf), constraints.get("maximum", math.inf)
    if "minimum" in constraints or "maximum" in constraints:
        yield (
            "it is no number within the descriptor's limits",
            f"Write a number ({_told(constraints, 'minimum', 'maximum')})",
            lambda cell: low <= float(str(cell)) <= high if is_number(cell) else number,
        )
    short, long = constraints.get("minLength", 0), constraints.get("maxLength", math.inf)
    if "minLength" in constraints or "maxLength" in constraints:
        yield (
            "its length is outside the descriptor's limits",
            f"Shorten or complete it ({_told(constraints, 'minLength', 'maxLength')})",
            lambda cell: short <= len(str(cell)) <= long,
        )
    if "pattern" in constraints:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pattern = re.compile(constraints["pattern"])
        yield (
            "it is not written as the descriptor asks",
            f"Write it after the pattern {pattern.pattern}",
            lambda cell: all(pattern.fullmatch(level) for level in levels(cell)),
        )
    if "enum" in constraints:
        # As JSON writes them: a descriptor's true is a cell's "true".
        allowed = [one if isinstance(one, str) else json.dumps(one) for one in constraints["enum"]]
        yield (
            "it is none of the descriptor's values",
            f"Use one of {', '.join(allowed)}",
            lambda cell: all(_among(level, allowed) for level in levels(cell)),
        )


def _among(level: str, allowed: list[str]) -> bool:
    if level in allowed:
        return True
    return is_number(level) and float(level) in [float(one) for one in allowed if is_number(one)]


def _told(constraints: dict[str, Any], *names: str) -> str:
    return ", ".join(f"{name} {constraints[name]}" for name in names if name in constraints)
