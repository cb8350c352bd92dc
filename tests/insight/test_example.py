"""One row in one step: the values are the step's own, and what it did to the weights adds up."""

import re

import numpy as np
import pytest

import backlit
from backlit.autodiff.derivatives import grad
from backlit.insight.example import example
from backlit.insight.layers import layers_of
from backlit.insight.trained import watch
from backlit.networks import Network
from backlit.networks.activations import ACTIVATIONS
from backlit.training import Adam, GradientDescent, record_step

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
Y = {
    "log_loss": RNG.integers(0, 3, 50),
    "binary_log_loss": RNG.integers(0, 2, 50),
    "label_log_loss": RNG.integers(0, 2, (50, 2)).astype(float),
    "squared_loss": RNG.normal(size=(50, 2)),
    "huber_loss": RNG.normal(size=(50, 1)),
    "poisson_loss": RNG.integers(0, 4, (50, 1)).astype(float),
}
OUTPUTS = {"log_loss": 3, "label_log_loss": 2, "squared_loss": 2}
EPSILON = {"float32": 1e-5, "float64": 1e-12}


def watched(
    loss="log_loss", activation="relu", optimizer="adam", hidden=(6, 5), weights=None, dropout=0.0,
    **settings,
):  # fmt: skip
    network = Network(4, hidden, OUTPUTS.get(loss, 1), activation, loss, dropout=dropout)
    y = Y[loss]
    training = (X[:40], y[:40]) if weights is None else (X[:40], y[:40], weights)
    settings = {"epochs": 3, "batch_size": 16, "dtype": "float64", "engine": "reference"} | settings
    return network, watch(network, training, (X[40:], y[40:]), optimizer=optimizer, **settings)[1]


def values_of_the_program(network, recording, optimizer, one, dtype):
    """What the printed step of the training computes, by the values of its layers."""
    rows = recording.row[slice(*recording.starts[one.step - 1 : one.step + 1])]
    training = recording.training
    program = record_step(network, optimizer, len(rows), dtype)
    moment = next(m for m in recording.replay() if m.number == one.step)
    number = moment.theta.dtype.type
    arguments = [
        moment.theta, moment.state, training.x[rows], training.y[rows], training.weights[rows],
        moment.learning_rate, number(one.step), *([moment.key] if network.dropout else []),
    ]  # fmt: skip
    inputs = dict(zip(program.inputs, backlit.program.tree.leaves(arguments), strict=True))
    found = {i.output: value for _, i, value in backlit.watch(program, *arguments)}
    return [
        [{**inputs, **found}[v][one.place] for v in (a.inputs, a.pre_activations, a.deltas)]
        for a in layers_of(program)
    ]


CASES = [
    *(("log_loss", activation, 0.0) for activation in ACTIVATIONS),
    *((loss, "relu", 0.25) for loss in Y),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "activation", "dropout"), CASES)
def test_values_are_the_bits_of_the_steps_program(loss, activation, dropout, dtype):
    weights = RNG.uniform(0.5, 2, 40)
    optimizer = Adam(0.01)
    network, recording = watched(
        loss, activation, optimizer, weights=weights, dropout=dropout, dtype=dtype
    )
    one = example(recording, 17, epoch=2)
    expected = values_of_the_program(network, recording, optimizer, one, dtype)
    for layer, (inputs, pre_activations, deltas) in enumerate(expected):
        assert one.activations[layer].tobytes() == inputs.tobytes()
        assert one.pre_activations[layer].tobytes() == pre_activations.tobytes()
        assert one.carried[layer].tobytes() == deltas.tobytes()


@pytest.mark.parametrize(
    ("loss", "dtype"),
    [("log_loss", "float32"), ("log_loss", "float64"), ("poisson_loss", "float64")],
)
def test_values_agree_with_what_compiled_kernels_saw(loss, dtype):
    _, recording = watched(loss, "tanh", Adam(0.01), engine="native", dropout=0.2, dtype=dtype)
    one = example(recording, 3, epoch=3)
    visit = recording.starts[one.step - 1] + one.place
    close = {"rtol": 10 * EPSILON[dtype], "atol": EPSILON[dtype]}
    np.testing.assert_allclose(one.loss, recording.loss[visit], **close)
    squares = [np.sum(delta**2) for delta in one.deltas]
    np.testing.assert_allclose(squares, recording.squared_delta[visit], **close)
    squares = [np.sum(a**2) for a in one.activations]
    np.testing.assert_allclose(squares, recording.squared_input[visit], **close)


def test_the_gradient_is_that_of_the_rows_own_loss():
    network, recording = watched("squared_loss", "tanh", Adam())
    one = example(recording, 5, step=4)
    layout = recording.subject.layout
    expected = grad(lambda p: network.losses(p, X[5:6], Y["squared_loss"][5:6])[0])(
        layout.views(one.theta)
    )
    np.testing.assert_allclose(one.gradient, layout.flatten(expected), rtol=1e-12, atol=1e-15)
    for wish, delta in zip(one.wishes, one.deltas, strict=True):
        np.testing.assert_array_equal(wish, -delta)


def test_slopes_carry_deltas_back():
    _, recording = watched("log_loss", "gelu", Adam(), dropout=0.3)
    one = example(recording, 5, epoch=2)
    parameters = recording.subject.layout.views(one.theta)
    for layer in (1, 2):
        back = one.deltas[layer] @ parameters[f"W{layer + 1}"].T
        np.testing.assert_allclose(one.deltas[layer - 1], one.slopes[layer - 1] * back, rtol=1e-12)


@pytest.mark.parametrize("loss", Y)
def test_shares_times_gradients_of_the_rows_sum_to_the_gradient_of_the_step(loss):
    weights = RNG.uniform(0.5, 2, 40)
    network, recording = watched(loss, "tanh", Adam(), weights=weights)
    one = example(recording, 5, epoch=2)
    batch, layout = one.batch, recording.subject.layout
    x, y, weights = X[batch.rows], Y[loss][batch.rows], weights[batch.rows]

    def mean_loss(parameters):
        return np.sum(network.losses(parameters, x, y) * weights) / np.sum(weights)

    expected = layout.flatten(grad(mean_loss)(layout.views(one.theta)))
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(batch.mean_gradient, expected, rtol=0, atol=1e-14 * scale)
    each = batch.gradients(np.arange(layout.size))
    np.testing.assert_allclose(batch.shares @ each, expected, rtol=0, atol=1e-14 * scale)
    np.testing.assert_allclose(each[one.place], one.gradient, rtol=1e-14)
    np.testing.assert_allclose(batch.norms, np.linalg.norm(each, axis=1), rtol=1e-12)
    cosines = each @ expected / np.linalg.norm(each, axis=1) / np.linalg.norm(expected)
    np.testing.assert_allclose(batch.agreement, cosines, rtol=0, atol=1e-12)
    assert batch.rows[one.place] == 5


# ----- Which row and which step ------------------------------------------------------------------


def test_rows_are_those_of_the_users_data():
    network = Network(4, (5,), 3)
    rows = (np.arange(100, 140), np.array([7, 9]))
    y = Y["log_loss"]
    _, recording = watch(network, (X[:40], y[:40]), (X[40:42], y[40:42]), rows=rows, epochs=2)
    one = example(recording, 103)
    assert (one.row, one.part) == (103, "training")
    np.testing.assert_array_equal(one.input, recording.training.x[3])
    assert one.batch.rows[one.place] == 103
    other = example(recording, 9)
    assert (other.part, other.place, other.carried) == ("held-out", None, None)
    np.testing.assert_array_equal(other.input, recording.held_out.x[1])


def test_an_epoch_stands_for_its_step_with_the_row_in_the_batch():
    _, recording = watched()
    for epoch in (1, 2, 3):
        one = example(recording, 11, epoch=epoch)
        assert one.epoch == epoch and 11 in one.batch.rows
    assert example(recording, 11).step == one.step  # by default, the last visit
    assert example(recording, 45, epoch=2).step == 6  # of three in an epoch


def test_a_row_outside_the_batch_is_what_the_network_makes_of_it_without_dropout():
    network, recording = watched(dropout=0.5)
    step = next(s for s in range(1, 10) if s != example(recording, 11, epoch=1).step)
    one = example(recording, 11, step=step)
    assert one.place is None and "this row" not in one.balance.lines
    parameters = recording.subject.layout.views(one.theta)
    np.testing.assert_allclose(
        one.pre_activations[-1], network.forward(parameters, X[11:12])[0], rtol=1e-12
    )
    text = " ".join(str(one).split())
    assert "It was not in this step's batch, and no unit is silenced for it" in text


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        ({"row": 50}, "row 50 is neither in the training nor in the held-out part; their 50 rows"),
        ({"row": -1}, "row -1 is neither"),
        ({"row": 1, "step": 0}, "step must be from 1 to 9, not 0"),
        ({"row": 1, "step": 10}, "step must be from 1 to 9, not 10"),
        ({"row": 1, "epoch": 4}, "epoch must be from 1 to 3, not 4"),
        ({"row": 1, "epoch": 1, "step": 1}, "give a step or an epoch, not both"),
    ],
)
def test_what_was_not_in_the_training_is_refused(ask, error):
    _, recording = watched()
    with pytest.raises(ValueError, match=error):
        example(recording, **ask)


# ----- The check by finite differences -----------------------------------------------------------


@pytest.mark.parametrize("loss", Y)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_gradient_agrees_with_finite_differences(loss, dropout):
    _, recording = watched(loss, "tanh", Adam(0.01), dropout=dropout)
    check = example(recording, 5, epoch=3).check()
    assert len(check.places) == recording.theta.size
    # A central difference of step h = 6e-6 in float64: h**2 and 1e-16 / h are both 4e-11; the
    # third derivative and the loss may each be a hundred times the largest gradient.
    assert check.largest_error < 1e-8
    assert not check.kinks.any()


def test_a_wrong_gradient_is_noticed():
    _, recording = watched("log_loss", "tanh", Adam(0.01))
    one = example(recording, 5, epoch=3)
    place = int(np.argmax(np.abs(one.gradient)))
    one.gradient[place] *= 1.001
    check = one.check()
    assert 5e-4 < check.largest_error < 2e-3
    assert check.error.argmax() == place


def test_a_kink_is_told_from_a_wrong_gradient():
    # With an input of zeros and biases of zero, every rectifier is exactly at its corner.
    network = Network(2, (3,), 1, "relu", "squared_loss")
    x, y = np.zeros((2, 2)), np.ones((2, 1))
    _, recording = watch(network, (x, y), optimizer=GradientDescent(0.1), epochs=1, dtype="float64")
    one = example(recording, 0, step=1)
    check = one.check()
    biases = recording.subject.layout.slices["b1"]
    assert check.kinks.nonzero()[0].tolist() == list(range(biases.start, biases.stop))
    assert check.largest_error < 1e-9
    assert "At 3 parameters the loss has a kink" in check.summary()


def test_the_check_takes_the_largest_gradients():
    _, recording = watched("log_loss", "tanh", Adam(0.01))
    one = example(recording, 5)
    check = one.check(count=7)
    rest = np.delete(np.abs(one.gradient), check.places)
    assert len(check.places) == 7 and np.abs(check.gradient).min() >= rest.max()
    with pytest.raises(ValueError, match="count must be 1 or more, not 0"):
        one.check(count=0)


# ----- The story ---------------------------------------------------------------------------------


def sums(text):
    """Each line that says ``z = a*b + ... = c`` or ``delta = ... = c``, as (computed, said)."""
    for line in text.splitlines():
        without_names = re.sub(r" \((\d+ others?|[a-z][^)]*)\)", "", line)
        found = re.search(r"(?:z|delta) = ([-+*(). \de]+) = (\S+)", without_names)
        if found:  # only digits and signs are left
            yield eval(found[1], {"__builtins__": {}}), float(found[2])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(("loss", "hidden"), [("log_loss", (3,)), ("squared_loss", (12, 4))])
def test_every_sum_of_the_story_adds_up(loss, hidden, activation):
    _, recording = watched(loss, activation, Adam(0.01), hidden)
    text = str(example(recording, 5, epoch=2))
    found = list(sums(text))
    units = sum(min(size, 10) for size in hidden)
    assert len(found) == 2 * units + OUTPUTS[loss]
    for computed, said in found:
        # Numbers are written with four digits, and a sum has up to five of them, all below 5.
        assert abs(computed - said) < 5 * 5 * 5e-4 * 2


def test_the_story_of_a_small_network_has_all_numbers():
    network = Network(2, (3,), 2)
    x, y = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 0, 1])
    names = (("left", "right"), ("no", "yes"))
    _, recording = watch(
        network, (x, y), names=names, optimizer=GradientDescent(0.1), epochs=2, dtype="float64"
    )
    one = example(recording, 2)
    text = str(one)
    assert text.startswith("Row 2 at step 2, in epoch 2: yes is right, the network says")
    for name in one.naming.parameters():
        assert text.count(f" {name} ") >= 2  # in the gradient, and in the update
    assert "W1 left to unit 3" in text and "W2 unit 1 to yes" in text
    assert text.count("wish: ") == 5


def test_the_story_of_a_wide_network_has_the_strongest_ten():
    _, recording = watched("log_loss", "tanh", Adam(), (40,))
    text = str(example(recording, 5))
    assert "the 10 largest of 40" in text and "(38 others)" in text
    assert "the 10 largest of 323" in text
    assert len(text.splitlines()) < 80


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("binary_log_loss", "class [01] is right, the network says class [01] \\(0\\.[5-9]"),
        ("label_log_loss", "label 1 is [01], the network says 0\\.\\d+; label 2 is"),
        ("poisson_loss", "target 1 is \\d, the network says \\d"),
    ],
)
def test_targets_are_told_as_what_they_are(loss, said):
    _, recording = watched(loss)
    assert re.search(said, " ".join(str(example(recording, 5)).split()))


def test_units_are_a_table():
    pytest.importorskip("pandas")
    _, recording = watched()
    one = example(recording, 5)
    frame = one.frame()
    assert frame["layer"].tolist() == [1] * 6 + [2] * 5 + [3] * 3
    assert frame["unit"].tolist()[-1] == "class 2"
    np.testing.assert_array_equal(frame["wish"], np.concatenate(one.wishes))
    assert one.batch.frame().shape == (len(one.batch.rows), 5)
    assert one.check().frame().shape[0] == recording.theta.size


def test_pictures_show_units_rows_and_parameters():
    pytest.importorskip("matplotlib")
    _, recording = watched("log_loss", "relu", Adam(), (20,))
    one = example(recording, 5)
    texts = [text.get_text() for text in one.plot().texts]
    assert "10 of 20" in texts and any(text.startswith("class 2\n") for text in texts)
    ticks = [tick.get_text() for tick in one.batch.plot().get_xticklabels()]
    assert "row 5" in ticks and ticks[-1] == "sum"
    assert len(one.check().plot().lines) == 2
    labels = one.balance.plot().get_legend_handles_labels()[1]
    assert set(labels) == {"this row", "other rows", "memory", "new - old"}
