"""The page: the registered model and its corpus in, forecasts in the browser out.

Comes in: requests; the model store, the corpus, its vocabulary.
Goes out: HTML rendered on the server, tables to download.
Must not know: how a model is trained, how a number is computed: it asks the rooms below and shows
their answers.
"""

from regencast.app.factory import make_app
from regencast.app.models import Models

__all__ = ["Models", "make_app"]
