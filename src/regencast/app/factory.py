"""The Flask application: what every page shares, and what keeps it safe."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, render_template, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, SecurityError

from regencast.app.evidence_pages import evidence_pages
from regencast.app.forecast_pages import forecast_pages
from regencast.app.forms import parameter
from regencast.app.model_pages import model_pages
from regencast.app.models import Models
from regencast.app.shared import heading, keep_version, told, version, with_query
from regencast.app.uploads import MOST_BYTES, Results
from regencast.errors import RegencastError
from regencast.words import readable, readable_level

#: Nothing but our own files: no inline script or style, no network, no frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def make_app(models: Models, hosts: list[str] | None = None) -> Flask:
    """Return the page.

    Parameters
    ----------
    models : Models
        Which model answers.
    hosts : list of str, optional
        Names by which the page may be asked for; others are refused, so that a foreign site
        cannot read it through a name of its own. Any by default.

    Returns
    -------
    flask.Flask
    """
    app = Flask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MOST_BYTES)
    app.extensions["regencast"] = models
    app.extensions["regencast_results"] = Results()
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.filters |= {
        "readable": readable,
        "level": lambda value: readable_level(value, 60),
        "pct": lambda value: f"{value:.2f}%",
        "number": _number,
        "parameter": parameter,
        "with_query": with_query,
    }
    for pages in (forecast_pages, evidence_pages, model_pages):
        app.register_blueprint(pages)
    if hosts is not None:
        app.before_request(lambda: _refuse_foreign(hosts))
    app.context_processor(lambda: {"version": version()})
    app.url_defaults(keep_version)
    app.after_request(_guard)
    app.register_error_handler(RegencastError, _fault)
    app.register_error_handler(HTTPException, _refusal)
    return app


def _refuse_foreign(hosts: list[str]) -> None:
    """Refuse a foreign name; Flask's own TRUSTED_HOSTS cannot hold an address like ``[::1]``."""
    if urlsplit(f"//{request.host}").hostname not in hosts:
        raise SecurityError


def _guard(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _fault(error: RegencastError) -> tuple[str, int]:
    if request.path.startswith("/answer"):
        return render_template("fault.html", heading=heading(error), message=told(error)), 422
    return render_template("message.html", title="That did not work", message=str(error)), 422


def _refusal(error: HTTPException) -> tuple[str, int]:
    if isinstance(error, SecurityError):
        return "The page is not open under this name.", 400
    message = error.description or ""
    if isinstance(error, RequestEntityTooLarge):
        message = f"The file is larger than {MOST_BYTES // 1024**2} MiB. Upload the designs alone."
    return render_template("message.html", title=error.name, message=message), error.code or 500


def _number(value: Any, places: int = 2) -> str:
    """Return a number for show, a dash where there is none."""
    if value is None or value != value:
        return "-"
    return f"{float(value):,.{places}f}"
