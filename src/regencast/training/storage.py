"""Saving and loading a forecaster without running code from it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from sklearn.base import clone

from regencast.designs import DesignEncoder
from regencast.errors import fail
from regencast.models import (
    CensoredRidge,
    IntervalBoosting,
    IntervalForest,
    Prior,
    RandomEffectsMean,
    StudyProcess,
)
from regencast.models.residual import ResidualRegressor
from regencast.training.blend import Blend
from regencast.training.calibration import Calibration
from regencast.training.forecaster import Forecaster
from regencast.training.support import Support
from regencast.training.trees import load_forest, save_forest

FAMILIES = {
    kind.__name__: kind for kind in (CensoredRidge, IntervalBoosting, IntervalForest, StudyProcess)
}
#: Fitted arrays of the families that are nothing but arrays.
STATES = {
    CensoredRidge: (
        "intercept_",
        "coef_",
        "tau2_",
        "_centre",
        "_scale",
        "_low",
        "_high",
        "_marked",
        "_mark_centre",
        "_mark_scale",
    ),
    StudyProcess: ("amplitude_", "decay_", "centre_", "scale_", "places_", "dual_"),
}


def save_forecaster(forecaster: Forecaster, folder: Path) -> None:
    """Write a forecaster to a folder of JSON, XGBoost and numpy files with their digests."""
    folder.mkdir(parents=True, exist_ok=True)
    blend = forecaster.blend
    members = [_save_member(member, folder, k) for k, member in enumerate(blend.members)]
    support = forecaster.support
    state = {
        "encoder": blend.encoder.to_dict(),
        "baseline": _baseline_state(blend.baseline),
        "members": members,
        "weights": blend.weights.tolist(),
        "calibration": vars(forecaster.calibration),
        "support": {
            "points": support.points.tolist(),
            "studies": [str(name) for name in support.studies],
            "scale": support.scale.tolist(),
            "centre": support.centre.tolist(),
            "borders": list(support.borders),
        },
        "digest": forecaster.digest,
        "names": list(forecaster.names),
        "verdict": forecaster.verdict,
        "synonyms": forecaster.synonyms,
    }
    (folder / "forecaster.json").write_text(json.dumps(state), encoding="utf-8")
    digests = {
        path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != "MANIFEST"
    }
    (folder / "MANIFEST").write_text(json.dumps(digests, indent=1), encoding="utf-8")


def load_forecaster(folder: Path) -> Forecaster:
    """Read a forecaster.

    Raises
    ------
    FaultyInput
        If the folder holds no model, or a file is not the one that was saved.
    """
    remedy = "Train again with `regencast train`"
    try:
        digests = json.loads((folder / "MANIFEST").read_text(encoding="utf-8"))
        for name, digest in digests.items():
            if Path(name).name != name or _digest(folder / name) != digest:
                raise fail(folder / name, "the model file was changed after it was saved", remedy)
        if "forecaster.json" not in digests:
            raise fail(folder, "the manifest does not list forecaster.json", remedy)
        state = json.loads((folder / "forecaster.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, AttributeError):
        raise fail(folder, "it is not a saved model, or it is damaged", remedy) from None
    try:
        return _rebuilt(state, folder, digests)
    except (KeyError, TypeError, AttributeError):
        raise fail(folder, "it was saved by another edition of the program", remedy) from None


def _rebuilt(state: dict[str, Any], folder: Path, digests: dict[str, str]) -> Forecaster:
    members = tuple(_load_member(one, folder, digests) for one in state["members"])
    blend = Blend(
        DesignEncoder.from_dict(state["encoder"]),
        _load_baseline(state["baseline"]),
        members,
        np.array(state["weights"], dtype=float),
    )
    kept = state["support"]
    support = Support(
        np.array(kept["points"]),
        np.array(kept["studies"]),
        np.array(kept["scale"]),
        np.array(kept["centre"]),
        (kept["borders"][0], kept["borders"][1]),
    )
    calibration = Calibration(**state["calibration"])
    return Forecaster(
        blend,
        calibration,
        support,
        state["digest"],
        tuple(state["names"]),
        state["verdict"],
        state["synonyms"],
    )


def _save_member(member: ResidualRegressor, folder: Path, place: int) -> dict[str, Any]:
    params = {k: v for k, v in member.get_params(deep=False).items() if k != "baseline"}
    entry: dict[str, Any] = {
        "family": type(member).__name__,
        "params": params,
        "baseline": _baseline_state(member.baseline_),
        "n_features": int(member.n_features_in_),
        "learned": member.learned_,
    }
    if not member.learned_:
        return entry
    if type(member) in STATES:
        names = STATES[type(member)]
        entry["state"] = {name: np.asarray(getattr(member, name)).tolist() for name in names}
    elif isinstance(member, IntervalBoosting):
        entry["file"], entry["unit"] = f"member{place}.ubj", member.unit_
        member.booster_.save_model(folder / entry["file"])
    elif isinstance(member, IntervalForest):
        entry["file"] = f"member{place}.npz"
        save_forest(member.forest_, folder / entry["file"])
    return entry


def _load_member(entry: dict[str, Any], folder: Path, digests: dict) -> ResidualRegressor:
    member = FAMILIES[entry["family"]](**entry["params"])
    member.baseline_ = _load_baseline(entry["baseline"])
    member.baseline = clone(member.baseline_)
    member.n_features_in_ = entry["n_features"]
    member.learned_ = entry["learned"]
    if not member.learned_:
        return member
    if "file" in entry and entry["file"] not in digests:
        raise fail(folder, "the manifest does not list a member's file", "Train again")
    if type(member) in STATES:
        for name, value in entry["state"].items():
            setattr(member, name, np.array(value, int if name == "_marked" else float))
    elif isinstance(member, IntervalBoosting):
        member.booster_ = xgb.Booster(model_file=folder / entry["file"])
        member.booster_.set_param({"nthread": 1})
        member.unit_ = entry["unit"]
    elif isinstance(member, IntervalForest):
        member.forest_ = load_forest(folder / entry["file"], entry["n_features"])
    return member


def _baseline_state(baseline: RandomEffectsMean) -> dict[str, Any]:
    return {
        "prior": vars(baseline.prior) if baseline.prior else None,
        "mean": baseline.mean_,
        "tau2": baseline.tau2_,
        "group_columns": list(baseline.group_columns),
        "group_means": baseline.group_means_.tolist(),
        "n_features": int(baseline.n_features_in_),
    }


def _load_baseline(state: dict[str, Any]) -> RandomEffectsMean:
    given = state["prior"]
    prior = Prior(**given | {"group_means": tuple(given["group_means"])}) if given else None
    baseline = RandomEffectsMean(prior, tuple(state["group_columns"]))
    baseline.mean_, baseline.tau2_ = state["mean"], state["tau2"]
    baseline.group_means_ = np.array(state["group_means"], dtype=float)
    baseline.n_features_in_ = state["n_features"]
    return baseline


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
