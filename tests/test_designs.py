import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regencast.corpus import Field, Meaning, Schema
from regencast.designs import DesignEncoder
from regencast.designs.dose import normalise_dose

SCHEMA = Schema(
    "test",
    (
        Field("study", "string", "study"),
        Field("contrast", "string", "contrast"),
        Field("source", "string", "factor", "category"),
        Field("stimulus", "string", "factor", "labels"),
        Field("weeks", "number", "factor", "number"),
        Field("amount", "number", "dose_value"),
        Field("unit", "string", "dose_unit"),
        Field("volume", "number", "dose_volume"),
        Field("direction", "string", "direction"),
    ),
)
row = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["A", "B", "C", None]),
        "stimulus": st.sampled_from(["none", "hypoxia", "hypoxia+lps", None]),
        "weeks": st.one_of(st.none(), st.floats(0, 50)),
        "amount": st.one_of(st.none(), st.floats(0.1, 1e12)),
        "unit": st.sampled_from(["ug", "particles", "ug_per_ml", None]),
        "volume": st.one_of(st.none(), st.floats(1, 500)),
    }
)


def frame(rows):
    table = pd.DataFrame(rows, columns=["source", "stimulus", "weeks", "amount", "unit", "volume"])
    table = table.astype(object).where(table.notna(), None)
    for name in ("weeks", "amount", "volume"):
        table[name] = table[name].astype(float)
    return table


@settings(max_examples=60)
@given(st.lists(row, min_size=4, max_size=30))
def test_an_encoder_survives_saving_and_each_feature_knows_its_factor(rows):
    designs = frame(rows)
    studies = np.arange(len(designs))
    encoder = DesignEncoder(SCHEMA, min_studies=1).fit(designs, studies)
    X = encoder.transform(designs)
    again = DesignEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(X, again.transform(designs))
    assert X.shape == (len(designs), len(encoder.features_))
    assert {feature.factor for feature in encoder.features_} <= {
        "source", "stimulus", "weeks", "dose",
    }  # fmt: skip


def test_labels_are_several_yes_no_columns_and_missing_stays_missing():
    designs = frame(
        [
            {"source": "A", "stimulus": "hypoxia+lps", "weeks": 1.0, "amount": None, "unit": None},
            {"source": "B", "stimulus": "hypoxia", "weeks": None, "amount": None, "unit": None},
            {"source": None, "stimulus": "none", "weeks": 3.0, "amount": None, "unit": None},
        ]
    )
    encoder = DesignEncoder(SCHEMA, min_studies=1).fit(designs, np.arange(3))
    X = pd.DataFrame(encoder.transform(designs), columns=[f.name for f in encoder.features_])
    assert X["stimulus=lps"].tolist() == [1, 0, 0]
    assert X["stimulus=hypoxia"].tolist() == [1, 1, 0]
    assert X["source=(not reported)"].tolist() == [0, 0, 1]
    assert np.isnan(X["weeks"][1])


def test_a_rare_level_stands_with_its_class():
    rows = [{"source": name} for name in ("A", "A", "A", "B", "C", "D", "D", "D")]
    blank = {"stimulus": None, "weeks": None, "amount": None, "unit": None, "volume": None}
    designs = frame([blank | row for row in rows])
    told = {"A": "adult", "B": "adult", "adult": "cell", "C": "young", "young": "cell", "D": "milk"}
    vocabulary = {"source": {level: Meaning("", parent) for level, parent in told.items()}}
    encoder = DesignEncoder(SCHEMA, 3, vocabulary).fit(designs, np.arange(8))
    X = pd.DataFrame(encoder.transform(designs), columns=[f.name for f in encoder.features_])
    assert X["source=(rare)"].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    assert X["source~adult"].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert X["source~cell"].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    classes = {f.level for f in encoder.features_ if f.kind == "class"}
    assert classes == {"adult", "cell"}, "a class of one level says nothing new"
    assert {f.factor for f in encoder.features_ if f.kind == "class"} == {"source"}
    again = DesignEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    np.testing.assert_array_equal(X, again.transform(designs))


def test_rare_levels_are_pooled_by_studies_not_by_rows():
    rows = [{"source": "A"}] * 4 + [{"source": "B"}] * 4
    designs = frame(
        [{"stimulus": None, "weeks": None, "amount": None, "unit": None, "volume": None} | r
         for r in rows]
    )  # fmt: skip
    studies = np.array([1, 2, 3, 4, 5, 5, 5, 5])
    names = [f.name for f in DesignEncoder(SCHEMA, min_studies=3).fit(designs, studies).features_]
    assert "source=A" in names and "source=B" not in names


@pytest.mark.parametrize(
    ("amount", "unit", "volume", "column", "value"),
    [
        (100, "ug", np.nan, "mass", 100.0),
        (200, "ug_per_ml", 500, "mass", 100.0),
        (1e10, "particles", np.nan, "particles", 1e10),
        (1e9, "particles_per_ml", 100, "particles", 1e8),
    ],
)
def test_doses_are_brought_to_one_administration(amount, unit, volume, column, value):
    designs = pd.DataFrame({"amount": [float(amount)], "unit": [unit], "volume": [float(volume)]})
    dose = normalise_dose(designs, SCHEMA)
    name = next(key for key in dose if column in key)
    others = [key for key in dose if key != name]
    assert float(dose[name][0]) == pytest.approx(value)
    assert all(np.isnan(float(dose[key][0])) for key in others)


def test_mass_and_particles_never_mix():
    designs = pd.DataFrame({"amount": [1e10, 50.0], "unit": ["particles", "ug"]})
    dose = normalise_dose(designs.assign(volume=np.nan), SCHEMA)
    assert (dose.notna().sum(axis=1) == 1).all()


@pytest.mark.parametrize("role", ["factor", "note", "reference"])
def test_training_rows_have_the_features_of_their_designs(role):
    times = Field("n_doses", "string", role, "number" if role == "factor" else None)
    schema = Schema("test", (*SCHEMA.fields, times))
    rows = [{"source": "AB"[k % 2], "amount": 10.0 * (k + 1), "unit": "ug"} for k in range(8)]
    table = frame(rows).assign(n_doses=["1", "4", "16", "2"] * 2)
    encoder = DesignEncoder(schema, min_studies=1).fit(table, np.arange(8))
    X = encoder.transform(table)
    np.testing.assert_array_equal(X, encoder.transform(table[[f.name for f in schema.design]]))
    names = [feature.name for feature in encoder.features_]
    once = X[:, names.index("dose_mass_ug")] == X[:, names.index("dose_total_mass_ug")]
    assert once.all() == (role != "factor")
