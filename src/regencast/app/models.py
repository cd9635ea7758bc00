"""Which model answers: the registered versions, each loaded once with its corpus and its run."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd

from regencast.corpus import Corpus, read_corpus
from regencast.effects import Effects, read_effects
from regencast.errors import RegencastError, fail
from regencast.reporting import Version, list_versions, load_model, run_files
from regencast.training import Forecaster

#: Versions that are held in memory.
HELD = 3


@dataclass(frozen=True)
class Loaded:
    """A model with all that the page says of it.

    Attributes
    ----------
    forecaster : Forecaster
    corpus : Corpus
    effects : Effects
    same_corpus : bool
        Whether the model learned from this corpus; if not, studies cannot be looked up in it.
    address : str or None
        As in `Models`.
    version : str
        Empty for the model that the page was opened with.
    """

    forecaster: Forecaster
    corpus: Corpus
    effects: Effects
    same_corpus: bool
    address: str | None
    version: str

    @cached_property
    def folder(self) -> Path | None:
        """The files of the run that made the model; None where there is no run."""
        try:
            return run_files(self.address)
        except RegencastError:
            return None

    @cached_property
    def run(self) -> dict[str, Any]:
        """What the run says of itself; empty where there is none."""
        try:
            path = (self.folder or Path()) / "run.json"
            return json.loads(path.read_text(encoding="utf-8")) if self.folder else {}
        except (OSError, ValueError):
            return {}

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the run's explanation, empty where it has none."""
        path = (self.folder or Path()) / "explain" / name
        if self.folder is None or not path.is_file():
            return pd.DataFrame()
        try:
            return pd.read_csv(path)
        except pd.errors.EmptyDataError:
            return pd.DataFrame()


class Models:
    """The models that the page may ask; safe to use from several threads.

    Parameters
    ----------
    package : Path
        The corpus.
    model : str, optional
        A folder, a run or ``models:/NAME@alias``; by default the champion.
    """

    def __init__(self, package: Path, model: str | None = None) -> None:
        self.package = package
        self.model = model
        self._held: OrderedDict[str, Loaded] = OrderedDict()
        self._lock = Lock()
        self._evidence: tuple[Corpus, Effects] | None = None

    def evidence(self) -> tuple[Corpus, Effects]:
        """Return the corpus and its effects, read once."""
        if self._evidence is None:
            corpus = read_corpus(self.package)
            self._evidence = corpus, read_effects(corpus)
        return self._evidence

    def versions(self) -> list[Version]:
        """Return the registered versions, newest first; none for a model given by its folder."""
        return [] if self.model and Path(self.model).is_dir() else list_versions()

    def get(self, version: str = "") -> Loaded:
        """Return a version of the registered model, or the one that the page was opened with.

        Raises
        ------
        FaultyInput
            If there is no such model, or it does not load.
        """
        if version and version not in {one.version for one in self.versions()}:
            raise fail("the page", "no such version is registered", "Choose one under Runs",
                       value=version)  # fmt: skip
        with self._lock:
            if version not in self._held:
                self._held[version] = self._load(version)
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(version)
            return self._held[version]

    def _load(self, version: str) -> Loaded:
        address = f"models:/regencast/{version}" if version else self.model
        forecaster = load_model(address)
        corpus, effects = self.evidence()
        same = corpus.digest == forecaster.digest
        return Loaded(forecaster, corpus, effects, same, address, version)
