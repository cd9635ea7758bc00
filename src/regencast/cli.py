"""The command line: thin commands over the rooms; heavy imports stand inside them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from regencast.console import (
    PATH,
    guarded,
    may_write,
    may_write_table,
    print_all_letters,
    progress_bar,
    write_table,
)
from regencast.errors import FaultyInput, fail
from regencast.plan_cli import plan
from regencast.score_cli import score

CLUSTER = click.option("--cluster", help="Dask scheduler's address, or `local`.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="regencast")
def main() -> None:
    """Forecast the outcome of an animal study before it is run."""
    print_all_letters()


@main.group()
def corpus() -> None:
    """Check, summarise and export a data package."""


@corpus.command()
@click.argument("package", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Faults as JSON on stdout.")
@click.option(
    "--retracted", type=PATH, help="CSV of Retraction Watch: rows of retracted papers are faults."
)
@guarded
def check(package: Path, as_json: bool, retracted: Path | None) -> None:
    """Show every fault of PACKAGE with its row, column and remedy; exit 1 if any."""
    from regencast.corpus import count_unnamed, inspect_corpus

    read, faults = inspect_corpus(package, retracted)
    if as_json:
        click.echo(json.dumps([fault.to_dict() for fault in faults], indent=1))
    if read is None:
        raise FaultyInput(faults)
    if not as_json:
        click.echo(f"{package}: {len(read)} contrasts, no fault")
    if retracted and (unnamed := count_unnamed(read.frame, read.studies)):
        click.echo(f"{unnamed} of {len(set(read.studies))} studies name no DOI or PMID: whether "
                   "they are retracted was not compared", err=True)  # fmt: skip


@corpus.command()
@click.argument("package", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Counts as JSON.")
@guarded
def summary(package: Path, as_json: bool) -> None:
    """Count PACKAGE by factor, evidence and direction, and say what is missing."""
    from collections import Counter

    from regencast.corpus import read_corpus, summarise
    from regencast.effects import read_effects

    read = read_corpus(package)
    kinds = Counter(map(str, read_effects(read).kind))
    counts = {"effects": dict(kinds.most_common()), **summarise(read)}
    if as_json:
        click.echo(json.dumps(counts, indent=1))
        return
    for name in ("classes", "factors"):
        both = zip(counts.pop(name).items(), counts.pop(f"{name}_studies").values(), strict=True)
        counts[f"{name}: contrasts (studies)"] = {
            column: ", ".join(f"{level} {n} ({studies[level]})" for level, n in levels.items())
            for (column, levels), studies in both
        }
    for name, value in sorted(counts.items(), key=lambda count: isinstance(count[1], dict)):
        if not isinstance(value, dict):
            click.echo(f"{name}: {value}")
        elif value:
            click.echo("\n".join([f"\n{name}", *(f"  {key}: {one}" for key, one in value.items())]))


@corpus.command()
@click.argument("package", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="CSV file to write.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@guarded
def export(package: Path, output: Path, force: bool) -> None:
    """Write PACKAGE with yi, vi, lower, upper and score, as metafor users expect."""
    from regencast.corpus import read_corpus
    from regencast.effects import read_effects, regeneration_score

    may_write(output, force)
    read = read_corpus(package)
    effects = read_effects(read)
    columns = {
        "yi": effects.point,
        "vi": effects.variance,
        "lower": effects.lower,
        "upper": effects.upper,
        "score": regeneration_score(effects.point),
        "evidence_kind": effects.kind,
    }
    taken = [name for name in columns if name in read.frame]
    if taken:
        raise fail(package, "the table has a column that the export writes", "Rename it",
                   column=", ".join(taken))  # fmt: skip
    write_table(read.frame.assign(**columns), output)


@corpus.command()
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@click.option("--experiment", type=PATH, help="TOML file; else the built-in one, as `train`.")
@click.option("--designs", type=PATH, help="Proposed designs that are scored by both.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@guarded
def diff(
    old: Path, new: Path, experiment: Path | None, designs: Path | None, as_json: bool
) -> None:
    """Train on OLD and NEW and say what changed in studies, skill, factor ranks and scores."""
    from regencast.forecasting import read_designs
    from regencast.reporting import compare_corpora
    from regencast.training import read_experiment

    experiment_plan = read_experiment(experiment)
    frame = read_designs(designs) if designs else None
    with progress_bar("Outer folds", 2 * experiment_plan.outer_folds) as step:
        found = compare_corpora(old, new, experiment_plan, frame, step)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=1))
        return
    for name, verdict in zip(("old", "new"), found.verdicts, strict=True):
        click.echo(f"{name}: {verdict}")
    for what, changes in found.changes.items():
        for name, those in changes.items():
            if those:
                click.echo(f"{what} {name}: {len(those)} ({', '.join(those[:20])})")
    if found.digests[0] == found.digests[1]:
        click.echo("the editions are the same")
    elif not any(those for changes in found.changes.values() for those in changes.values()):
        click.echo("nothing but order or the package's own description changed")
    for title, table in (("skill", found.skill), ("rank", found.ranks), ("score", found.scores)):
        if len(table):
            click.echo(f"\n{table.round(3).rename_axis(title).to_string()}")


@main.command()
@click.argument("experiment", type=PATH, required=False)
@click.option("--corpus", "package", type=PATH, help="Data package; else the experiment's.")
@click.option("-o", "--output", type=PATH, help="Folder for a copy of report, plots, tables.")
@CLUSTER
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@guarded
def train(
    experiment: Path | None,
    package: Path | None,
    output: Path | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Validate, train, explain and register a model, tracked in MLflow.

    Without EXPERIMENT the built-in one runs: it has one baseline for all designs, where
    experiments/default.toml has one for each tissue.
    """
    from regencast.reporting import run_training
    from regencast.training import read_experiment

    plan = read_experiment(experiment)
    with progress_bar("Training", plan.outer_folds + plan.resamples + 20) as step:
        result = run_training(plan, package or Path(plan.corpus), output, step, cluster)
    if as_json:
        click.echo(json.dumps(result, indent=1))
        return
    click.echo(result["verdict"])
    for key, value in result["metrics"].items():
        click.echo(f"  {key}: {value:.4g}")
    click.echo(f"run {result['run_id']}, model {result['model']}")


@main.command()
@click.argument("experiment", type=PATH, required=False)
@click.option("--corpus", "package", type=PATH, help="Data package; else the experiment's.")
@click.option("--folds", type=PATH, help="CSV with contrast_id and fold; else made by study.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@CLUSTER
@click.option("-o", "--output", type=PATH, required=True, help="CSV file to write.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@guarded
def evaluate(
    experiment: Path | None,
    package: Path | None,
    folds: Path | None,
    jobs: int,
    cluster: str | None,
    output: Path,
    force: bool,
) -> None:
    """Forecast every contrast by a model that never saw its study."""
    from regencast.corpus import read_corpus
    from regencast.training import cross_validate, read_experiment, read_folds, skill, study_folds

    may_write_table(output, force)
    plan = read_experiment(experiment)
    read = read_corpus(package or Path(plan.corpus))
    given = (
        read_folds(folds, read) if folds else study_folds(read.studies, plan.outer_folds, plan.seed)
    )
    if len(set(given)) < 2:
        raise fail(folds or "folds", "there is only one fold", "At least two are needed")
    with progress_bar("Outer folds", len(set(given))) as step:
        table = cross_validate(read, plan, given, jobs, step, cluster)
    write_table(table, output)
    for key, value in skill(table).items():
        click.echo(f"{key}: {value:.4g}", err=True)


@main.command()
@click.option("--model", help="Folder, MLflow run or models:/NAME@alias; else the champion.")
@click.option("--corpus", "package", type=PATH, default=Path("data/corpus"), show_default=True)
@click.option("--designs", type=PATH, help="Proposed designs; else the example, where it fits.")
@click.option("--resamples", type=click.IntRange(20), default=200, show_default=True)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for plots and tables.")
@CLUSTER
@guarded
def explain(
    model: str | None,
    package: Path,
    designs: Path | None,
    resamples: int,
    output: Path,
    cluster: str | None,
) -> None:
    """Write SHAP plots and tables by design factor."""
    from regencast.corpus import read_corpus
    from regencast.effects import read_effects
    from regencast.explaining import explain as draw
    from regencast.forecasting import design_names, read_designs, typed_designs
    from regencast.reporting import load_model, shown_designs

    forecaster = load_model(model)
    read = read_corpus(package)
    if read.digest != forecaster.digest:
        raise fail(
            package,
            "it is not the corpus that the model learned from",
            "Name that corpus, or train again",
        )
    if designs:
        given = read_designs(designs)
        typed = typed_designs(forecaster, given, str(designs))
        names = design_names(given, forecaster.blend.encoder)
    else:
        typed, names, _ = shown_designs(forecaster, read)
    with progress_bar("Resampling studies", resamples + 20) as step:
        files = draw(
            forecaster,
            read,
            read_effects(read),
            typed,
            names,
            output,
            resamples,
            2,
            step,
            cluster,
        )
    for path in files:
        click.echo(path)


@main.command()
@click.option("--model", help="Run folder, MLflow run or models:/NAME@alias; else the champion.")
@click.option("-o", "--output", type=PATH, required=True, help="HTML file to write.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@guarded
def report(model: str | None, output: Path, force: bool) -> None:
    """Write the report of a run: one HTML file that needs no network."""
    from regencast.reporting import run_files, write_report

    may_write(output, force)
    click.echo(write_report(run_files(model), output))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--model", help="Folder, MLflow run or models:/NAME@alias; else the champion.")
@click.option("--corpus", "package", type=PATH, default=Path("data/corpus"), show_default=True)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open it there.")
@guarded
def app(host: str, port: int, model: str | None, package: Path, browser: bool) -> None:
    """Open the page: forecasts in the browser, on this machine alone."""
    from regencast.app.serving import serve

    serve(host, port, model, package, browser, click.echo)


main.add_command(plan)
main.add_command(score)
