"""What pictures and sentences beside a forecast say: they agree with its tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regencast.app.answers import support_sentence
from regencast.corpus import read_corpus
from regencast.effects import read_effects
from regencast.explaining import plan_plots
from regencast.explaining.interactions import _levels
from regencast.forecasting.plan import Wish
from regencast.forecasting.sweep import published_values, sweep


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be saved."""
    figures = []
    monkeypatch.setattr(plan_plots, "save", lambda figure, path: figures.append(figure) or path)
    return figures


def texts(figure):
    axis = figure.axes[0]
    return [text.get_text() for text in axis.get_legend().get_texts()] + [axis.get_xlabel()]


def test_the_power_picture_says_what_the_table_says(drawn, tmp_path):
    wish = Wish(power=0.8, assurance=0.95, attrition=0.5)
    plan_plots.draw_power(1.2, 0.3, wish, (24, None), "a design", tmp_path / "power.png")
    power, assurance, label = texts(drawn[0])
    assert "24 animals for 0.8" in power and "0.95 is not reached" in assurance
    assert label == "Animals per group, of which 50 % will be lost"
    # Where half are lost, a group that starts with 24 has the power of 12.
    (curve, *_) = drawn[0].axes[0].get_lines()
    started, chance = curve.get_data()
    assert started.min() == 4 and np.all(np.diff(chance) >= 0)


def test_a_sweep_spans_the_doses_from_which_the_model_learned(package, simulated, drawn, tmp_path):
    table = pd.read_csv(package / "contrasts.csv", dtype=str)
    # A concentration whose volume no study reports tells no dose.
    table.loc[:9, "unit"] = "ug_per_ml"
    table.loc[:9, "dose"] = "5000"
    table.to_csv(package / "contrasts.csv", index=False)
    corpus = read_corpus(package)
    effects, column = read_effects(corpus), "dose"
    concentration = corpus.frame.iloc[[0]]
    assert not len(published_values(corpus, effects, column, concentration))
    mass = corpus.frame.iloc[[20]]
    published = published_values(corpus, effects, column, mass)
    assert set(published) == {1.0, 10.0, 100.0} and len(published) <= len(corpus) - 10
    found = sweep(simulated[2], mass, "dose", published)
    assert set(found["unit"]) == {"ug"} and found["value"].max() <= 100
    plan_plots.draw_sweep(found, "dose", published, tmp_path / "sweep.png")
    assert texts(drawn[0])[-1] == "Dose (ug)"


def test_doses_of_two_scales_share_no_level_of_a_picture(simulated):
    corpus = simulated[0]
    frame = corpus.frame.copy()
    half = np.arange(len(frame)) % 2 == 0
    frame.loc[half, "unit"] = "particles"
    frame.loc[half, "dose"] *= 1e9
    levels = pd.Series(_levels(frame, corpus, "dose"))
    assert not set(levels[half]) & set(levels[~half])
    assert levels[half].str.endswith("particles").all() and levels[~half].str.endswith("ug").all()


def test_a_sparse_design_is_told_what_its_interval_tells(simulated):
    calibration = replace(simulated[2].calibration, reach=0.4)
    assert "wider for it" in support_sentence("sparse", calibration)
    flat = replace(calibration, reach=0.0, n_studies=100)
    assert "held-out studies showed no need" in support_sentence("sparse", flat)
    few = replace(flat, n_studies=3)
    assert "cannot be learned" in support_sentence("sparse", few)
    assert support_sentence("supported", few) == support_sentence("supported", flat)
