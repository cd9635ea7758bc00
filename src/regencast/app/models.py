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

from regencast.corpus import Corpus, Schema, read_corpus
from regencast.effects import Effects, read_effects
from regencast.errors import Fault, RegencastError, fail
from regencast.forecasting import check_designs, understand
from regencast.reporting import Version, list_versions, load_model, run_files
from regencast.reporting.store import CHAMPION, MODEL, REMEDY, tracking
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
    address : str
        A folder, a run or a version: what no later training moves.
    version : str
        The registered version; empty for a model that is none.
    """

    forecaster: Forecaster
    corpus: Corpus
    effects: Effects
    same_corpus: bool
    address: str
    version: str

    @property
    def schema(self) -> Schema:
        """The columns that the model knows."""
        return self.forecaster.blend.encoder.schema

    @property
    def called(self) -> str:
        """What the page calls the model."""
        return f"version {self.version}" if self.version else self.address

    @cached_property
    def fields(self) -> frozenset[str]:
        """Design columns of the corpus that the model knows; a dose is none without its unit."""
        both = self.corpus.schema, self.schema
        ours, theirs = ({(f.name, f.role) for f in schema.design} for schema in both)
        known = ours & theirs
        dose = {field for field in ours | theirs if field[1] in ("dose_value", "dose_unit")}
        return frozenset(name for name, _ in (known if dose <= known else known - dose))

    def read(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
        """Return designs in the model's own words, typed, and every fault.

        Parameters
        ----------
        frame : pandas.DataFrame
            As `table_of` gives it. A field that the model does not know is a fault: it would be
            forecast as left open.
        """
        faults = [
            Fault("design", f"the model ({self.called}) does not know this field",
                  "Leave it open, or choose another version under Runs", int(row), name, str(value))
            for name in frame if name not in self.fields
            for row, value in frame[name].dropna().items()
        ]  # fmt: skip
        encoder = self.forecaster.blend.encoder
        meant, _ = understand(self.known(frame), encoder, self.forecaster.synonyms)
        typed, more = check_designs(meant, encoder, "design")
        return typed, faults + more

    def known(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return designs without the fields that the model does not know."""
        return frame[[name for name in frame if name in self.fields]]

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
            found = json.loads(path.read_text(encoding="utf-8")) if self.folder else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

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
        self._own: tuple[str, str] | None = None
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
            asked = (f"models:/{MODEL}/{version}", version) if version else None
            address, number = asked or self._own or _pinned(self.model)
            if address not in self._held:
                self._held[address] = self._load(address, number)
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(address)
            if not version:
                self._own = address, number
            return self._held[address]

    def _load(self, address: str, version: str) -> Loaded:
        forecaster = load_model(address)
        corpus, effects = self.evidence()
        same = corpus.digest == forecaster.digest
        return Loaded(forecaster, corpus, effects, same, address, version)


def _pinned(model: str | None) -> tuple[str, str]:
    """Return the address of what a model is now, and its version where it has one.

    An alias moves with the next training: its model and the files of its run would part.
    """
    address = model or CHAMPION
    if Path(address).is_dir():
        return address, ""
    name, _, alias = address.removeprefix("models:/").partition("@")
    if alias:
        try:
            found = tracking().MlflowClient().get_model_version_by_alias(name, alias)
        except Exception:  # MLflow raises many kinds; to the user they all mean: not there.
            raise fail(address, "there is no such model", REMEDY) from None
        address = f"models:/{name}/{found.version}"
    names = {name: one.version for one in list_versions()
             for name in (one.run_id, f"models:/{MODEL}/{one.version}")}  # fmt: skip
    return address, names.get(address, "")
