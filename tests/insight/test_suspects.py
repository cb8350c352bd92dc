"""The list holds the rows that were made wrong, and says what they are."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_digits

from backlit.insight.suspects import read_decisions, suspects
from backlit.insight.suspects_outputs import hear
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.training import Adam


def _digits(flips, seed=0):
    """Return 600 scaled digits, their true classes, and classes of which some are another's."""
    rng = np.random.default_rng(seed)
    x, true = load_digits(return_X_y=True)
    some = rng.permutation(len(true))[:600]
    x, true = (x[some] / 16).astype(np.float32), true[some]
    given = true.copy()
    wrong = rng.choice(600, flips, replace=False)
    given[wrong] = (true[wrong] + rng.integers(1, 10, flips)) % 10
    return x, true, given


def _watched(x, given, network, **options):
    """Train on the first five sixths; rows are counted backwards, so that they are no positions."""
    cut = x.shape[0] * 5 // 6
    rows = np.arange(x.shape[0])[::-1]
    _, recording = watch(
        network, (x[:cut], given[:cut]), (x[cut:], given[cut:]), rows=(rows[:cut], rows[cut:]),
        **{"epochs": 40, **options},
    )  # fmt: skip
    return recording


@pytest.fixture(scope="module")
def noisy():
    x, true, given = _digits(60)
    return true[::-1], given[::-1], suspects(_watched(x, given, Network(64, (32,), 10)))


@pytest.fixture(scope="module")
def clean():
    x, true, _ = _digits(0)
    return suspects(_watched(x, true, Network(64, (32,), 10)))


def test_wrong_rows_come_first(noisy):
    true, given, found = noisy
    order = np.argsort(-found.chance)
    assert np.mean((true != given)[found.rows[order[:60]]]) > 0.85
    listed = [each for each in found.suspects if each.reason == "mislabelled"]
    assert listed[0].chance == max(each.chance for each in listed)
    assert np.mean([true[each.row] != given[each.row] for each in listed]) > 0.85
    # What it looks like is what it is.
    right = [str(true[s.row]) == s.looks_like[-1] for s in listed if true[s.row] != given[s.row]]
    assert np.mean(right) > 0.85


def test_the_number_of_wrong_labels_is_estimated(noisy, clean):
    _, _, found = noisy
    assert 30 <= found.expected_wrong <= 120
    assert clean.expected_wrong < 12


def test_rows_held_out_are_scored(noisy):
    true, given, found = noisy
    rows = found.rows[found.held_out]
    assert sorted(rows) == list(range(100))
    wrong = (true != given)[rows]
    assert np.mean(found.chance[found.held_out][wrong] > 0.5) > 0.7
    parts = {each.part for each in found.suspects if each.row < 100}
    assert parts == {"validation"}


def test_little_is_called_wrong_in_clean_data(clean):
    assert clean.counts["mislabelled"] <= 6  # 1 %
    assert clean.flows == ()


def test_labels_that_go_one_way_are_traced():
    x, true = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    rng = np.random.default_rng(0)
    x, true = x[(order := rng.permutation(len(true)))], true[order]
    given = true.copy()
    benign = np.flatnonzero(true == 1)
    given[rng.choice(benign, 50, replace=False)] = 0
    found = suspects(_watched(x, given, Network(30, (32,), 2)))
    (flow,) = found.flows
    assert (flow.true, flow.given) == ("class 1", "class 0")
    assert 25 < flow.count < 100
    assert "of the rows that are 'class 1' are given 'class 0'" in found.summary()
    # 4 of 5 are found among the first 50 although no row of the other class is wrong.
    place = np.argsort(-found.chance)[:50]
    assert np.mean((given != true)[::-1][found.rows[place]]) > 0.8


def test_one_output_tells_two_classes_as_two_do():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 1, (150, 2)), rng.normal(2, 1, (150, 2))])
    order = rng.permutation(300)
    true = np.repeat([0, 1], 150)[order]
    given = true.copy()
    given[:15] = 1 - given[:15]
    network = Network(2, (8,), 1, loss="binary_log_loss")
    found = suspects(_watched(x[order], given, network))
    top = found.rows[np.argsort(-found.chance)[:15]]
    assert np.sum(top >= 285) >= 13  # the first rows, counted backwards


def test_each_of_several_labels_is_judged():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    true = np.stack([x[:, 0] > 0, x[:, 1] + x[:, 2] > 0], axis=1).astype(float)
    given = true.copy()
    given[:20, 1] = 1 - given[:20, 1]
    network = Network(4, (16,), 2, loss="label_log_loss")
    found = suspects(_watched(x, given, network, epochs=40))
    listed = [each for each in found.suspects if each.reason == "mislabelled"]
    second = [each for each in listed if each.about == "label 2"]
    assert np.mean([each.row >= 380 for each in second]) > 0.7 and len(second) >= 10
    assert len(listed) - len(second) <= 4
    assert found.summary().startswith("About") and "of 800 labels are wrong" in found.summary()


@pytest.mark.parametrize("loss", ["squared_loss", "poisson_loss"])
def test_wrong_numbers_are_found(loss):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (600, 2))
    mean = 2 * x[:, 0] + np.sin(3 * x[:, 1])
    if loss == "poisson_loss":
        given = rng.poisson(np.exp(mean + 1)).astype(float)
        wrong = np.flatnonzero(mean > 1.5)[:15]  # of a mean of 12 and more
        given[wrong] = 0
    else:
        given = mean + rng.normal(size=600) * 0.1
        wrong = np.arange(15)
        given[wrong] -= 3
    network = Network(2, (32,), 1, loss=loss)
    found = suspects(_watched(x, given[:, np.newaxis], network, epochs=60, optimizer=Adam(0.01)))
    listed = {599 - each.row for each in found.suspects if each.reason == "mislabelled"}
    # More likely wrong than right, as the list says of each; most of them clearly so.
    assert len(listed & {*wrong.tolist()}) >= 13 and len(listed) <= 22
    assert "of 600 numbers are wrong (" in found.summary()


def test_twins_outliers_and_rows_learned_by_heart_have_their_reason():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 1, (200, 2)), rng.normal(2, 1, (200, 2))])
    given = np.repeat([0, 1], 200)
    x[7] = x[250] = 0.0  # on the boundary, where neither label is unlikely
    x[9] = [-40, -40]
    order = rng.permutation(400)
    found = suspects(_watched(x[order], given[order], Network(2, (8,), 2)))
    reason = {order[399 - each.row]: each for each in found.suspects}
    assert reason[7].reason == reason[250].reason == "contradictory twin"
    assert "with the same inputs differ" in reason[7].evidence
    assert reason[9].reason == "outlier" and "far from all other rows" in reason[9].evidence
    # Of 400 rows so drawn, about one lies beyond the boundary for good (2.8 deviations).
    assert found.counts["mislabelled"] <= 1


@pytest.mark.slow
def test_three_times_the_epochs_change_little():
    x, true, given = _digits(60)
    wrong = (true != given)[::-1]

    def separation(epochs):
        found = suspects(_watched(x, given, Network(64, (32,), 10), epochs=epochs))
        chance, is_wrong = found.chance, wrong[found.rows]
        return np.mean(chance[is_wrong][:, np.newaxis] > chance[~is_wrong])

    assert abs(separation(40) - separation(120)) < 0.005


def test_without_a_part_held_out_rows_are_found_as_well():
    x, true, given = _digits(60)
    _, recording = watch(Network(64, (32,), 10), (x, given), epochs=40)
    found = suspects(recording)
    top = found.rows[np.argsort(-found.chance)[:60]]
    assert np.mean((true != given)[top]) > 0.8


def test_sparse_rows_are_judged_as_dense_ones():
    x, _, given = _digits(30)
    dense = suspects(_watched(x, given, Network(64, (16,), 10), epochs=6, engine="reference"))
    sparse = suspects(
        _watched(csr_array(x), given, Network(64, (16,), 10), epochs=6, engine="reference")
    )
    np.testing.assert_allclose(sparse.chance, dense.chance, atol=1e-3)  # float32 sums differ


def test_own_pushes_are_what_a_step_does_to_its_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)), rng.integers(0, 2, 32)
    _, recording = watch(
        Network(3, (4,), 2), (x, y), epochs=2, batch_size=32, dtype="float64",
        engine="reference", optimizer="gradient_descent",
    )  # fmt: skip
    heard = hear(recording)
    first, second = recording.replay()
    outputs = recording.subject.outputs
    # One step an epoch: what the second visit saw beyond the first was the row's own batch's push.
    np.testing.assert_allclose(heard.outputs, outputs(first.theta, x), rtol=1e-12)
    assert not np.allclose(outputs(second.theta, x), outputs(first.theta, x))


def test_the_list_becomes_decisions(noisy, tmp_path):
    true, given, found = noisy
    path = tmp_path / "decisions.csv"
    found.write_decisions(path)
    text = path.read_text().replace(",keep,", ",relabel,")
    path.write_text(text)
    names = tuple(f"class {number}" for number in range(10))
    y, weights = read_decisions(path).apply(given, names=names)
    assert np.all(weights == 1) and len(y) == 600
    mislabelled = [each.row for each in found.suspects if each.reason == "mislabelled"]
    assert np.mean(y[mislabelled] == true[mislabelled]) > 0.7


def test_an_answer_has_words_columns_and_a_plot(noisy):
    _, _, found = noisy
    words = str(found)
    assert words.startswith("About ") and "of 600 labels are wrong" in words
    assert "wrong with a chance of" in words and "nearest rows" in words
    assert len(found.frame()) == len(found.suspects)
    assert found.plot().get_xlabel() == "rows, the likeliest to be wrong first"
    short = suspects(_watched(*_digits(60)[::2], Network(64, (32,), 10)), most=3)
    assert max(sum(s.reason == r for s in short.suspects) for r in short.counts) == 3
    assert short.counts == found.counts


def test_where_nothing_is_wrong_it_says_so():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-4, 1, (200, 2)), rng.normal(4, 1, (200, 2))])
    order = rng.permutation(400)
    found = suspects(_watched(x[order], np.repeat([0, 1], 200)[order], Network(2, (8,), 2)))
    assert str(found).startswith("No sign of wrong ones among 400 labels (at most ")


def test_bad_calls_are_refused():
    x, _, given = _digits(0)
    recording = _watched(x, given, Network(64, (4,), 10), epochs=1)
    for most in (0, True, 2.0):
        with pytest.raises(ValueError, match="most is the number of rows to list, from 1 on, not"):
            suspects(recording, most=most)
    few = _watched(x[:18], given[:18], Network(64, (4,), 10), epochs=1)
    with pytest.raises(ValueError, match="among 20 rows or more, and there are 18"):
        suspects(few)
