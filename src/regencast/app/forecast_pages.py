"""Pages that forecast: one design, several side by side, a table of them."""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl

from flask import (
    Blueprint,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from regencast.app.answers import answer_design
from regencast.app.charts import Axis, axis_over, draw_curve
from regencast.app.comparing import MOST, compare_designs
from regencast.app.forms import (
    Question,
    address_of,
    design_of,
    make_questions,
    start_design,
)
from regencast.app.models import Loaded
from regencast.app.shared import file_response, loaded, models, told, version
from regencast.app.uploads import MOST_ROWS, Results, Upload, download, score_upload
from regencast.corpus import Corpus
from regencast.errors import RegencastError, fail

forecast_pages = Blueprint("forecast", __name__)

#: Levels of a column that the comparison offers as a change.
OFFERED = 12


@forecast_pages.get("/")
def forecast() -> str:
    """Show the form, and the answer to what it holds."""
    corpus, _ = models().evidence()
    design = design_of(request.args.to_dict(flat=False), corpus)
    asked = design or start_design(corpus)
    fault = found = None
    try:
        found = _answer(loaded(), asked)
    except RegencastError as error:
        fault = told(error)
    return render_template(
        "forecast.html",
        questions=questions(corpus),
        chosen={name: set(value.split("+")) for name, value in asked.items()},
        asked=asked,
        fault=fault,
        version=version(),
        answer=found,
    )


@forecast_pages.get("/answer")
def answer() -> str:
    """Return the answer alone, for a form that was changed."""
    corpus, _ = models().evidence()
    design = design_of(request.args.to_dict(flat=False), corpus)
    if not design:
        raise fail("design", "every field is open", "Choose at least one")
    return render_template("answer.html", answer=_answer(loaded(), design))


def _answer(model: Loaded, design: dict[str, str]) -> dict[str, object]:
    """Return what the template of an answer shows."""
    found = answer_design(model, design)
    places = [found.start, *(step.end for step in found.steps), found.row["baseline_score"]]
    return {
        "found": found,
        "row": found.row,
        "steps": axis_over(places, least=6.0),
        "score": Axis(0, 100),
        "curve": None if found.curve is None else draw_curve(found.curve),
        "verdict": model.forecaster.verdict,
        "address": address_of(design, model.version),
    }


def questions(corpus: Corpus) -> list[Question]:
    """Return the form's fields; made once, for they depend on the corpus alone."""
    kept = current_app.extensions.setdefault("regencast_questions", {})
    if corpus.digest not in kept:
        kept[corpus.digest] = make_questions(corpus)
    return kept[corpus.digest]


@forecast_pages.get("/compare")
def compare() -> str | Response:
    """Show designs side by side."""
    corpus, _ = models().evidence()
    given = [design_of(parse_qs(text), corpus) for text in request.args.getlist("d")[:MOST]]
    designs = [design for design in given if design] or [start_design(corpus)]
    changed = _changed(designs[0], request.args.get("change", ""), corpus)
    if changed and len(designs) < MOST:
        designs.append(changed)
        addresses = [address_of(design) for design in designs]
        return redirect(url_for("forecast.compare", d=addresses, version=version() or None))
    model = loaded()
    offers = [
        (question, [option for _, group in question.groups for option in group])
        for question in questions(corpus)
        if question.kind != "number" and question.common
    ]
    return render_template(
        "compare.html",
        found=compare_designs(model, designs),
        addresses=[address_of(design) for design in designs],
        designs=designs,
        offers=[
            (one, sorted(options, key=lambda option: -option.studies)[:OFFERED])
            for one, options in offers
        ],
        most=MOST,
        axis=Axis(0, 100),
        version=version(),
        verdict=model.forecaster.verdict,
    )


def _changed(design: dict[str, str], change: str, corpus: Corpus) -> dict[str, str] | None:
    """Return the first design with one field changed; None where no change is asked for."""
    pairs = parse_qsl(change)
    wanted = design_of({name: [value] for name, value in pairs}, corpus)
    return {**design, **wanted} if wanted else None


@forecast_pages.get("/upload")
def upload() -> str:
    """Show where a table can be uploaded."""
    return render_template("upload.html", most=MOST_ROWS, version=version())


@forecast_pages.post("/upload")
def receive() -> Response:
    """Score an uploaded table, and show it under an address of its own."""
    file = request.files.get("designs")
    if file is None or not file.filename:
        raise fail("upload", "no file was chosen", "Choose a CSV or Excel file")
    asked = request.form.get("version", "")
    found = score_upload(models().get(asked).forecaster, file.filename, file.read())
    name = _results().keep(found)
    return redirect(url_for("forecast.uploaded", name=name), code=303)


@forecast_pages.get("/upload/<name>")
def uploaded(name: str) -> str:
    """Show a scored table."""
    found = _found(name)
    rows = found.table.astype(object).where(found.table.notna(), None)
    good, bad = rows[rows["fault"].isna()], rows[rows["fault"].notna()]
    labels = dict(zip(found.table.index, found.names, strict=True))
    return render_template(
        "uploaded.html",
        upload=found,
        name=name,
        good=[(labels[row], row, cells) for row, cells in good.iterrows()],
        bad=[(labels[row], row, cells) for row, cells in bad.iterrows()],
        axis=Axis(0, 100),
    )


@forecast_pages.get("/upload/<name>.<kind>")
def downloaded(name: str, kind: str) -> Response:
    """Return a scored table as CSV or Excel."""
    if kind not in ("csv", "xlsx"):
        abort(404)
    return file_response(download(_found(name).table, kind), f"scores.{kind}")


def _results() -> Results:
    return current_app.extensions["regencast_results"]


def _found(name: str) -> Upload:
    found = _results().find(name)
    if found is None:
        abort(404, "This result is no longer held. Upload the table again.")
    return found
