"""Pages on the published studies: the table, the map, one study."""

from __future__ import annotations

import numpy as np
from flask import Blueprint, Response, abort, render_template, request

from regencast.app.evidence import (
    MAP,
    MISSING,
    PAGE,
    filter_columns,
    filter_of,
    levels_of,
    matching,
    observed,
    shown_columns,
    source_link,
)
from regencast.app.shared import file_response, models
from regencast.app.study import tell_study
from regencast.app.uploads import download
from regencast.corpus import REST, Corpus, pair_counts

evidence_pages = Blueprint("evidence", __name__)

#: Shades of the map, by the number of studies in a cell.
SHADES = (1, 2, 5, 10, 20)


@evidence_pages.get("/evidence")
def table() -> str:
    """Show the contrasts that match a filter."""
    corpus, effects = models().evidence()
    wanted = filter_of(request.args, corpus)
    rows = np.flatnonzero(matching(corpus, wanted))
    pages = max(-(-len(rows) // PAGE), 1)
    page = min(max(request.args.get("page", 1, type=int), 1), pages)
    shown = rows[(page - 1) * PAGE : page * PAGE]
    frame = corpus.frame.iloc[shown]
    return render_template(
        "evidence.html",
        filter=wanted,
        columns=shown_columns(corpus),
        levels={name: levels_of(corpus, name) for name in filter_columns(corpus)},
        missing=MISSING,
        rows=frame.astype(object).where(frame.notna(), None).to_dict("records"),
        observed=observed(corpus.take(shown), effects.take(shown)),
        links=[source_link(row) for row in frame.to_dict("records")],
        studies=corpus.studies[shown],
        contrasts=len(rows),
        n_studies=len(set(corpus.studies[rows].astype(str))),
        page=page,
        pages=pages,
        map=_map(corpus),
        map_columns=MAP,
        rest=REST,
    )


def _map(corpus: Corpus) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """Return the rows of the map: a level, then column, studies and shade of each cell."""
    if not set(MAP) <= set(corpus.frame):
        return []
    counts = pair_counts(corpus, *MAP)
    return [
        (str(level), [(str(name), int(n), int(np.searchsorted(SHADES, n, "right")))
                      for name, n in cells.items()])
        for level, cells in counts.iterrows()
    ]  # fmt: skip


@evidence_pages.get("/evidence.csv")
def save() -> Response:
    """Return the contrasts that match a filter, with what they found."""
    corpus, effects = models().evidence()
    rows = np.flatnonzero(matching(corpus, filter_of(request.args, corpus)))
    found = observed(corpus.take(rows), effects.take(rows))
    return file_response(
        download(corpus.frame.iloc[rows].assign(found=found), "csv"), "evidence.csv"
    )


@evidence_pages.get("/study/<path:name>")
def show_study(name: str) -> str:
    """Show one study: its source and its contrasts."""
    corpus, effects = models().evidence()
    study = tell_study(corpus, effects, name)
    if study is None:
        abort(404, "The corpus has no such study.")
    levels = {f.name for f in corpus.schema.design if f.type == "string"}
    texts = {f.name for f in corpus.schema.fields if f.role == "note"}
    return render_template("study.html", name=name, study=study, levels=levels, texts=texts)
