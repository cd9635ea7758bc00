"""The command ``plan``: animals per group, a sweep of one number, a search of a space."""

from __future__ import annotations

import math
from pathlib import Path

import click

from regencast.console import (
    PATH,
    guarded,
    may_write_table,
    progress_bar,
    say_misspelt,
    say_replaced,
    write_table,
)
from regencast.errors import FaultyInput, RegencastError, UsageError, fail

CHANCE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("designs", type=PATH, required=False)
@click.option("-o", "--output", type=PATH, required=True, help="CSV, Parquet or Excel to write.")
@click.option("--model", help="Folder, MLflow run or models:/NAME@alias; else the champion.")
@click.option("--power", type=CHANCE, default=0.8, show_default=True)
@click.option("--assurance", type=CHANCE, default=0.8, show_default=True)
@click.option("--alpha", type=CHANCE, default=0.05, show_default=True, help="Two-sided.")
@click.option(
    "--attrition",
    type=click.FloatRange(0, 0.9),
    default=0.0,
    show_default=True,
    help="Share of animals that will not reach the end.",
)
@click.option("--plot", type=PATH, help="Folder for a picture of each design's plan or sweep.")
@click.option("--sweep", "factor", help="Vary this number (dose, follow_up_weeks) instead.")
@click.option(
    "--corpus",
    "package",
    type=PATH,
    default=Path("data/corpus"),
    show_default=True,
    help="For the range of a sweep.",
)
@click.option("--search", "space", type=PATH, help="Search the space of this TOML file instead.")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Designs in each list of a search.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@guarded
def plan(
    designs: Path | None, output: Path, model: str | None, power: float, assurance: float,
    alpha: float, attrition: float, plot: Path | None, factor: str | None, package: Path,
    space: Path | None, top: int, force: bool,
) -> None:  # fmt: skip
    """Say how many animals the proposed DESIGNS need; or sweep a number, or search a space."""
    from regencast.forecasting.plan import Wish
    from regencast.reporting import load_model

    if (designs is None) == (space is None):
        raise UsageError("Name a file of designs, or a space with --search")
    if space and (factor or plot):
        raise UsageError("--search draws no plot and sweeps no number; leave --plot, --sweep out")
    if any(math.isnan(x) for x in (power, assurance, alpha, attrition)):
        raise UsageError("--power, --assurance, --alpha and --attrition need numbers")
    may_write_table(output, force)
    forecaster = load_model(model)
    if plot:
        plot.mkdir(parents=True, exist_ok=True)
    if space:
        _search(forecaster, space, top, output)
    elif factor:
        _sweep(forecaster, designs, factor, package, plot, output)
    else:
        wish = Wish(power, assurance, alpha, attrition)
        _animals(forecaster, designs, wish, plot, output)


def _animals(forecaster, designs, wish, plot, output) -> None:
    from regencast.forecasting import (
        design_names,
        misspelt_columns,
        read_designs,
        typed_designs,
    )
    from regencast.forecasting.plan import COLUMNS, plan_designs, planning_effect
    from regencast.forecasting.score import COLUMNS as SCORED

    frame = read_designs(designs)
    say_misspelt(misspelt_columns(frame, forecaster.blend.encoder), designs)
    say_replaced(frame, (*SCORED, *COLUMNS), designs)
    planned = plan_designs(forecaster, frame, str(designs), wish)
    faults = planned["fault"].dropna()
    if len(faults) == len(planned):
        raise RegencastError("\n".join(faults))
    write_table(planned, output)
    if plot:
        from regencast.explaining.plan_plots import draw_power

        good = frame[planned["fault"].isna()]
        typed = typed_designs(forecaster, good, str(designs))
        effect, spread = planning_effect(forecaster, typed)
        names = design_names(good, forecaster.blend.encoder)
        counts = planned.loc[good.index, ["animals_per_group", "animals_per_group_assured"]]
        plans = zip(effect, spread, counts.to_numpy(), names, strict=True)
        for place, (mean, sd, animals, name) in enumerate(plans, 1):
            path = plot / f"power_{place}.png"
            draw_power(float(mean), float(sd), wish, tuple(animals), name[:70], path)
    if len(faults):
        raise RegencastError("\n".join(faults))


def _sweep(forecaster, designs, factor, package, plot, output) -> None:
    import pandas as pd

    from regencast.corpus import read_corpus
    from regencast.effects import read_effects
    from regencast.forecasting import (
        design_names,
        misspelt_columns,
        read_designs,
        typed_designs,
    )
    from regencast.forecasting.designs import unknown_doses
    from regencast.forecasting.sweep import number_column, published_values, sweep

    column = number_column(forecaster, factor)
    corpus = read_corpus(package)
    if corpus.digest != forecaster.digest:
        raise fail(package, "it is not the corpus that the model learned from", "Name that corpus")
    frame = read_designs(designs)
    say_misspelt(misspelt_columns(frame, forecaster.blend.encoder), designs)
    typed = typed_designs(forecaster, frame, str(designs))
    of_dose = column == corpus.schema.column("dose_value")
    faults = unknown_doses(typed, corpus.schema, str(designs)) if of_dose else []
    if faults:
        raise FaultyInput(faults)
    effects, parts = read_effects(corpus), []
    for place, name in enumerate(design_names(frame, forecaster.blend.encoder)):
        one = typed.iloc[[place]]
        published = published_values(corpus, effects, column, one)
        found = sweep(forecaster, one, factor, published)
        parts.append(found.assign(design=name))
        if plot:
            from regencast.explaining.plan_plots import draw_sweep

            draw_sweep(found, column, published, plot / f"sweep_{place + 1}.png")
    write_table(pd.concat(parts, ignore_index=True), output)


def _search(forecaster, space, top, output) -> None:
    from regencast.forecasting.search import CHUNK, read_space, search_designs

    allowed = read_space(space, forecaster)
    with progress_bar("Forecasting designs", -(-len(allowed) // CHUNK)) as step:
        write_table(search_designs(forecaster, allowed, top, step), output)
