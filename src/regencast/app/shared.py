"""What the pages share: whose model answers, and how a file is handed over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, current_app, request

from regencast.app.models import Loaded, Models
from regencast.errors import FaultyInput, RegencastError
from regencast.words import readable

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def models() -> Models:
    """Return the models of the running page."""
    return current_app.extensions["regencast"]


def version() -> str:
    """Return the version of the model that the address asks for; empty for the default."""
    return request.args.get("version", "")


def loaded() -> Loaded:
    """Return the model that answers."""
    return models().get(version())


def keep_version(endpoint: str, values: dict[str, Any]) -> None:
    """Let every link of a page lead on with the version that the page was asked of."""
    if endpoint != "static" and version():
        values.setdefault("version", version())


def with_query(address: str, query: str) -> str:
    """Return an address with more of a query, which may name columns of any corpus.

    Examples
    --------
    >>> with_query("/evidence?page=2", "endpoint=fracture")
    '/evidence?page=2&endpoint=fracture'
    """
    return f"{address}{'&' if '?' in address else '?'}{query}" if query else address


def heading(error: RegencastError) -> str:
    """Return whether the design is at fault, or the model."""
    faults = error.faults if isinstance(error, FaultyInput) else []
    if any(fault.file == "design" for fault in faults):
        return "This design cannot be forecast"
    return "The model does not answer"


def told(error: RegencastError) -> str:
    """Return what is wrong with a design in the words of the form: it has no file and no rows."""
    if not isinstance(error, FaultyInput):
        return str(error)
    return "\n".join(
        str(replace(fault, file=readable(fault.column), row=None, column=None))
        if fault.row and fault.column
        else str(fault)
        for fault in error.faults
    )


def file_response(content: bytes, name: str) -> Response:
    """Return a CSV or Excel file to save."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, mimetype=KINDS[name.rpartition(".")[2]], headers=headers)
