"""Pages that forecast: one design, several side by side, a table of them."""

from __future__ import annotations

from typing import Any
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
    is_asked,
    make_questions,
    start_design,
    ticked,
)
from regencast.app.models import Loaded
from regencast.app.shared import file_response, heading, loaded, models, told
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
    begin = not is_asked(request.args, corpus)
    asked = start_design(corpus) if begin else design
    model = found = None
    fault: dict[str, str] = {}
    try:
        model = loaded()
        if begin:
            asked = {name: value for name, value in asked.items() if name in model.fields}
        found = _answer(model, asked)
    except RegencastError as error:
        fault = {"heading": heading(error), "message": told(error)}
    # What was understood is what the next change of the form sends.
    shown = {**asked, **_texts(found["found"].meant)} if found else asked
    return render_template(
        "forecast.html",
        questions=questions(corpus),
        chosen=ticked(shown, corpus),
        asked=shown,
        fault=fault,
        model=model,
        answer=found,
    )


def _texts(meant: dict[str, Any]) -> dict[str, str]:
    return {n: f"{v:.12g}" if isinstance(v, float) else str(v) for n, v in meant.items()}


@forecast_pages.get("/answer")
def answer() -> str:
    """Return the answer alone, for a form that was changed."""
    corpus, _ = models().evidence()
    design = design_of(request.args.to_dict(flat=False), corpus)
    return render_template("answer.html", answer=_answer(loaded(), design))


def _answer(model: Loaded, design: dict[str, str]) -> dict[str, Any]:
    """Return what the template of an answer shows."""
    if not design:
        raise fail("design", "every field is open", "Choose at least one")
    found = answer_design(model, design)
    places = [found.start, *(step.end for step in found.steps), found.row["baseline_score"]]
    return {
        "found": found,
        "row": found.row,
        "steps": axis_over(places, least=6.0),
        "score": Axis(0, 100),
        "curve": None if found.curve is None else draw_curve(found.curve),
        "verdict": model.forecaster.verdict,
        "address": address_of(design),
        "called": model.called,
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
        return redirect(url_for("forecast.compare", d=addresses))
    model = loaded()
    # The same number in another unit is no variant of a design.
    fixed = corpus.schema.column("dose_unit")
    offers = [
        (question, [option for _, group in question.groups for option in group])
        for question in questions(corpus)
        if question.kind != "number" and question.common and question.name in model.fields
        if question.name != fixed
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
        called=model.called,
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
    return render_template("upload.html", most=MOST_ROWS)


@forecast_pages.post("/upload")
def receive() -> Response:
    """Score an uploaded table, and show it under an address of its own."""
    file = request.files.get("designs")
    if file is None or not file.filename:
        raise fail("upload", "no file was chosen", "Choose a CSV or Excel file")
    found = score_upload(loaded(), file.filename, file.read())
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
