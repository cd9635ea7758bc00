"""Searching a space of designs for the best, the safest and the most telling."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regencast.corpus.schema import DOSE_ROLES
from regencast.designs import DesignEncoder
from regencast.effects import regeneration_score
from regencast.errors import Fault, FaultyInput, fail
from regencast.forecasting.beyond import beyond_studies
from regencast.forecasting.designs import check_designs, unknown_doses
from regencast.forecasting.unknown import average_unknown
from regencast.forecasting.unmet import never_together
from regencast.training import Forecaster

#: Designs that are held in memory at a time.
CHUNK = 20_000
#: Designs that are kept for the close look: the best by forecast, and a random sample.
KEPT = 3_000
#: Designs that a space may have: so many take some ten hours.
MOST = 10**8
#: Steps that a range may have.
MOST_STEPS = 1_000
#: Two designs of a list differ in at least so many factors.
APART = 2
CRITERIA = ("score", "cautious", "information")


@dataclass(frozen=True)
class Space:
    """Designs that are allowed.

    Attributes
    ----------
    choices : dict
        The values that each column may take.
    rules : tuple of (dict, dict)
        A design that has all of the first may not have all of the second.
    """

    choices: dict[str, tuple[Any, ...]]
    rules: tuple[tuple[dict[str, Any], dict[str, Any]], ...]

    def __len__(self) -> int:
        return _size(self.choices)

    def chunks(self, size: int = CHUNK) -> Iterator[pd.DataFrame]:
        """Yield every allowed design, some thousands at a time."""
        shape = tuple(len(values) for values in self.choices.values())
        arrays = [np.array(values, dtype=object) for values in self.choices.values()]
        for start in range(0, len(self), size):
            picked = np.unravel_index(np.arange(start, min(start + size, len(self))), shape)
            frame = pd.DataFrame(
                {n: a[p] for n, a, p in zip(self.choices, arrays, picked, strict=True)}
            )
            for given, banned in self.rules:
                frame = frame[~(_has(frame, given) & _has(frame, banned))]
            if len(frame):
                yield frame.reset_index(drop=True)


def _size(choices: dict[str, tuple[Any, ...]]) -> int:
    return math.prod(len(values) for values in choices.values())


def _has(frame: pd.DataFrame, values: dict[str, Any]) -> np.ndarray:
    found = np.full(len(frame), True)
    for name, value in values.items():
        found &= (frame[name] == value).to_numpy(dtype=bool)
    return found


def read_space(path: Path, forecaster: Forecaster) -> Space:
    """Read a space of designs.

    Parameters
    ----------
    path : Path
        TOML with the tables ``levels`` (column to list), ``ranges`` (column to low, high, steps and
        log), ``fixed`` (column to value) and the list ``rules`` (each with ``if`` and ``not``).
    forecaster : Forecaster
        Whose schema the designs follow.

    Raises
    ------
    FaultyInput
        If a table, column, level or rule is not understood.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        unknown = set(data) - {"levels", "ranges", "fixed", "rules"}
        if unknown:
            raise fail(path, "the table is unknown", "Use levels, ranges, fixed and rules",
                       value=", ".join(sorted(unknown)))  # fmt: skip
        _shapes(data)
        choices = {name: tuple(values) for name, values in data.get("levels", {}).items()}
        choices |= {name: _range(given) for name, given in data.get("ranges", {}).items()}
        choices |= {name: (value,) for name, value in data.get("fixed", {}).items()}
        rules = tuple((dict(rule["if"]), dict(rule["not"])) for rule in data.get("rules", []))
    except OSError:
        raise fail(path, "there is no such file", "Name a TOML file") from None
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise fail(
            path, f"it is not understood ({error})", "See data/proposals/space.toml"
        ) from None
    _check(path, choices, rules, forecaster)
    return Space(choices, rules)


def _shapes(data: dict[str, Any]) -> None:
    """Raise a ValueError that names what is not of the shape that `read_space` describes."""
    tables = {name: data.get(name, {}) for name in ("levels", "ranges", "fixed")}
    named = [column for table in tables.values() for column in table]
    twice = sorted({column for column in named if named.count(column) > 1})
    if twice:
        raise ValueError(f"{twice[0]} stands in two tables")
    for name, values in tables["levels"].items():
        if not isinstance(values, list):
            raise ValueError(f"levels of {name} need a list")
    scalars = [tables["fixed"], *(part for rule in data.get("rules", []) for part in rule.values())]
    for name, value in (pair for part in scalars for pair in part.items()):
        if isinstance(value, (list, dict)):
            raise ValueError(f"{name} needs one value there")
    keys = [(set(given), {"low", "high", "steps", "log"}) for given in tables["ranges"].values()]
    keys += [(set(rule), {"if", "not"}) for rule in data.get("rules", [])]
    for given, known in keys:
        if given - known:
            raise ValueError(f"{sorted(given - known)[0]} is none of {', '.join(sorted(known))}")


def _range(given: dict[str, Any]) -> tuple[float, ...]:
    low, high, steps = float(given["low"]), float(given["high"]), int(given.get("steps", 5))
    if not (low <= high and 1 <= steps <= MOST_STEPS and (low > 0 or not given.get("log"))):
        raise ValueError(
            f"a range needs low <= high, 1 to {MOST_STEPS} steps, and low > 0 with log"
        )
    grid = np.geomspace(low, high, steps) if given.get("log") else np.linspace(low, high, steps)
    return tuple(float(x) for x in grid)


def _check(
    path: Path,
    choices: dict[str, tuple[Any, ...]],
    rules: tuple[tuple[dict[str, Any], dict[str, Any]], ...],
    forecaster: Forecaster,
) -> None:
    encoder = forecaster.blend.encoder
    known = [field.name for field in encoder.schema.design]
    named = [*choices, *(name for rule in rules for part in rule for name in part)]
    faults = [
        Fault(str(path), "the corpus has no such design column", f"Use one of {', '.join(known)}",
              column=name)
        for name in dict.fromkeys(named) if name not in known
    ]  # fmt: skip
    faults += [
        Fault(str(path), "a rule names a column that the space does not", "Add it to levels",
              column=name)
        for name in dict.fromkeys(named) if name in known and name not in choices
    ]  # fmt: skip
    faults += [
        Fault(str(path), "a rule names a value that the space does not", "Write it as in levels",
              column=name, value=str(value))
        for rule in rules for part in rule for name, value in part.items()
        if name in choices and value not in choices[name]
    ]  # fmt: skip
    faults += [
        Fault(str(path), "the column has no value to choose from", "List at least one", column=name)
        for name, values in choices.items() if not values
    ]  # fmt: skip
    if not choices:
        faults.append(Fault(str(path), "the space is empty", "Name levels, ranges or fixed values"))
    if _size(choices) > MOST:
        problem = f"the space has {_size(choices):,} designs, {MOST:,} at most"
        faults.append(Fault(str(path), problem, "Fix a column or shorten a list"))
    first = {name: values[0] for name, values in choices.items() if name in known and values}
    for name in first:
        # Beside the first value of the others, for a dose needs its unit.
        frame = pd.DataFrame([{**first, name: value} for value in choices[name]], dtype=object)
        found = check_designs(frame, encoder, str(path))[1]
        faults += [replace(fault, row=None) for fault in found if fault.column == name]
    if not faults:
        faults = _dose_faults(path, Space(choices, rules), encoder)
    if faults:
        raise FaultyInput(faults)


def _dose_faults(path: Path, space: Space, encoder: DesignEncoder) -> list[Fault]:
    """Return the faults of doses: every unit beside every volume that the rules leave with it."""
    value, unit, volume = (encoder.schema.column(role) for role in DOSE_ROLES)
    if value not in space.choices or unit not in space.choices:
        return []
    names = [name for name in (unit, volume) if name in space.choices]
    rules = [rule for rule in space.rules if all(set(part) <= set(names) for part in rule)]
    part = Space({name: space.choices[name] for name in names}, tuple(rules))
    typed = [check_designs(frame, encoder, str(path))[0] for frame in part.chunks()]
    found = [fault for one in typed for fault in unknown_doses(one, encoder.schema, str(path))]
    if any(float(amount) == 0 for amount in space.choices[value]):
        found.append(Fault(str(path), "0 is no dose", "Take it out", column=value))
    return list(dict.fromkeys(replace(fault, row=None) for fault in found))


def search_designs(
    forecaster: Forecaster,
    space: Space,
    top: int = 10,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Return the best designs of a space by three criteria.

    ``score`` is the expected score, ``cautious`` the lower end of its 90 % interval,
    ``information`` the spread of the true effect times the square root of remoteness: where a
    study would teach most, for little is known there and it is not for sampling noise. Every
    design is forecast; the best by forecast and a random sample are then looked at with their
    intervals, so that ``information`` is the most telling of these.

    Parameters
    ----------
    forecaster : Forecaster
    space : Space
    top : int, default 10
        Designs in each list; two of a list differ in at least two factors where the space allows.
    progress : callable
        Called after each chunk.

    Returns
    -------
    pandas.DataFrame
        criterion, place, the space's columns, score, score_low, score_high, baseline_score,
        support, information, never_together, beyond_studies.
    """
    rng, encoder = np.random.default_rng(0), forecaster.blend.encoder
    kept = pd.DataFrame()
    for frame in space.chunks():
        typed, _ = check_designs(frame, encoder, "space")
        forecast, draw = forecaster.blend.predict(typed), rng.random(len(frame))
        kept = pd.concat([kept, frame.assign(_forecast=forecast, _draw=draw)], ignore_index=True)
        best = kept["_forecast"].rank(ascending=False, method="first") <= KEPT
        drawn = kept["_draw"].rank(ascending=False, method="first") <= KEPT
        kept = kept[best | drawn].reset_index(drop=True)
        progress()
    if kept.empty:
        raise fail("space", "the rules leave no design", "Loosen a rule")
    designs = kept[list(space.choices)]
    typed, _ = check_designs(designs, encoder, "space")
    found = average_unknown(forecaster, typed)
    table = designs.assign(
        score=regeneration_score(found["predicted"]),
        score_low=regeneration_score(found["low90"]),
        score_high=regeneration_score(found["high90"]),
        baseline_score=regeneration_score(found["baseline"]),
        support=found["support"],
        information=found["true_sd"] * np.sqrt(found["remoteness"]),
    )
    keys = dict(zip(CRITERIA, ("score", "score_low", "information"), strict=True))
    lists = [_diverse(table, key, list(space.choices), top).assign(criterion=name)
             for name, key in keys.items()]  # fmt: skip
    result = pd.concat(lists, ignore_index=True)
    X = encoder.transform(check_designs(result, encoder, "space")[0])
    result["never_together"] = [text or None for text in never_together(forecaster, X)]
    result["beyond_studies"] = [text or None for text in beyond_studies(forecaster, X)]
    result.insert(0, "place", result.groupby("criterion").cumcount() + 1)
    result.insert(0, "criterion", result.pop("criterion"))
    return result


def _diverse(table: pd.DataFrame, key: str, columns: list[str], top: int) -> pd.DataFrame:
    """Return the best rows of which each differs from every better one in two factors or more."""
    ordered = table.sort_values(key, ascending=False, kind="stable").reset_index(drop=True)
    varied = [name for name in columns if ordered[name].nunique() > 1]
    values = ordered[varied].to_numpy(dtype=object)
    apart = min(APART, max(len(varied), 1))
    chosen: list[int] = []
    for row in range(len(ordered)):
        if all((values[row] != values[other]).sum() >= apart for other in chosen):
            chosen.append(row)
        if len(chosen) == top:
            break
    return ordered.iloc[chosen]
