"""The server of the page: on this machine alone unless told otherwise."""

from __future__ import annotations

import logging
import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from regencast.app.factory import make_app
from regencast.app.models import Models
from regencast.errors import RegencastError, fail

LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    host: str,
    port: int,
    model: str | None,
    package: Path,
    browser: bool,
    say: Callable[[str], None],
) -> None:
    """Serve the page until it is interrupted.

    Parameters
    ----------
    host, port : str, int
        Port 0 takes any free one.
    model : str, optional
        As in `Models`.
    package : Path
        The corpus.
    browser : bool
        Whether to open the page in the browser.
    say : callable
        Told the address.

    Raises
    ------
    FaultyInput
        If the corpus has faults, or the port is taken.
    """
    from werkzeug.serving import make_server

    models = Models(package, model)
    models.evidence()
    # A page on this machine is asked for by these names alone: a foreign site cannot read it
    # through a name of its own that leads here.
    app = make_app(models, [*LOCAL] if host in LOCAL else None)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        server = make_server(host, port, app, threaded=True)
    except (OSError, SystemExit) as error:
        raise fail(f"{host}:{port}", f"the address cannot be used ({error})",
                   "Name another with --port") from None  # fmt: skip
    address = web_address(host, server.server_port)
    say(f"Regencast is open at {address} (Ctrl-C closes it)")
    Thread(target=_warm, args=(models,), daemon=True).start()
    if browser and (os.environ.get("DISPLAY") or os.name == "nt" or _is_mac()):
        webbrowser.open(address)
    try:
        server.serve_forever()
    finally:
        server.server_close()


def web_address(host: str, port: int) -> str:
    """Return where a server is found.

    Examples
    --------
    >>> web_address("127.0.0.1", 8000), web_address("::1", 8000)
    ('http://127.0.0.1:8000/', 'http://[::1]:8000/')
    """
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _warm(models: Models) -> None:
    """Load the model while the browser opens; what goes wrong is shown on the page."""
    try:
        models.get()
    except RegencastError:
        return


def _is_mac() -> bool:
    return os.uname().sysname == "Darwin"
