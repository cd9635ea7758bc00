"""What the pages share: whose model answers, and how a file is handed over."""

from __future__ import annotations

from dataclasses import replace

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
