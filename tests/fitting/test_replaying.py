"""A run can be made again from its folder and its data."""

import numpy as np
import pytest

from backlit.fitting import fit, resume
from backlit.fitting.replaying import replay
from backlit.runs import Run
from backlit.training import LBFGS, Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
TABLE = {
    "a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 2] > 0, "yes", "no"),
    "kind": np.where(X[:, 0] + X[:, 1] > 0, "up", "down"), "number": X[:, 0] * 2 + 1,
    "count": RNG.poisson(np.exp(X[:, 0])), "weight": RNG.uniform(0, 2, 120).round(),
}  # fmt: skip
OTHERS = {"ignore": ("number", "count")}


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("kind", {"weights": "weight", "dropout": 0.2, **OTHERS}),
        ("number", {"ignore": ("kind", "count"), "schedule": "cosine"}),
        ("count", {"ignore": ("kind", "number"), "loss": "poisson_loss"}),
    ],
)
def test_a_replay_comes_to_the_parameters_of_the_run(tmp_path, target, options, engine):
    run = fit(TABLE, target, out=tmp_path / "run", epochs=5, hidden=(6,), engine=engine, **options)
    recording = replay(run, TABLE)
    assert recording.epochs == 5
    best = run.model().parameters
    assert recording.theta.tobytes() == recording.subject.layout.flatten(best).tobytes()
    assert set(recording.training.rows).isdisjoint(recording.held_out.rows)
    # Rows are counted from 1, and are the rows that they are said to be.
    column = run.model().preparation.columns[0]
    values = (TABLE["a"][recording.training.rows - 1] - column.mean) / column.scale
    np.testing.assert_allclose(recording.training.x[:, 0], values, rtol=1e-5, atol=1e-5)


def test_a_run_that_stopped_early_or_was_gone_on_with_is_replayed(tmp_path):
    run = fit(TABLE, "kind", out=tmp_path / "early", hidden=(6,), epochs=90, patience=1,
              optimizer=Adam(0.3), **OTHERS)  # fmt: skip
    assert len(run.epochs()) < 90
    assert replay(run, TABLE).epochs == len(run.epochs())
    longer = fit(TABLE, "kind", out=tmp_path / "longer", hidden=(6,), epochs=3, **OTHERS)
    resume(longer, TABLE, epochs=6)
    assert replay(longer, TABLE).epochs == 6


def test_a_run_that_started_from_another_is_replayed(tmp_path):
    first = fit(TABLE, "kind", out=tmp_path / "first", hidden=(6,), epochs=3, **OTHERS)
    second = fit(TABLE, "kind", out=tmp_path / "second", start=first, epochs=3, seed=1)
    assert replay(second, TABLE).epochs == 3


def test_what_cannot_be_replayed_is_said(tmp_path):
    run = fit(TABLE, "kind", out=tmp_path / "run", hidden=(6,), epochs=3, **OTHERS)
    with pytest.raises(ValueError, match="was not begun with a file; give its data again"):
        replay(run)
    other = {**TABLE, "a": TABLE["a"] + 1}
    with pytest.raises(ValueError, match="does not hold the rows that"):
        replay(run, other)
    # Gone on with under another schedule: the plan in the folder is no longer the one it began by.
    resumed = fit(TABLE, "kind", out=tmp_path / "resumed", hidden=(6,), epochs=3,
                  schedule="cosine", **OTHERS)  # fmt: skip
    resume(resumed, TABLE, epochs=6)
    with pytest.raises(ValueError, match="other parameters came out: it was gone on with other"):
        replay(resumed, TABLE)
    quasi = fit(TABLE, "kind", out=tmp_path / "quasi", hidden=(3,), optimizer=LBFGS(), **OTHERS)
    with pytest.raises(ValueError, match="L-BFGS makes no steps of single batches"):
        replay(quasi, TABLE)
    with pytest.raises(ValueError, match="there is no run in"):
        replay(Run(tmp_path / "nowhere"), TABLE)
