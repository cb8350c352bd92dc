"""Curves in text: what is drawn where."""

import math

from backlit.cli.curve import HEIGHT, curve


def test_a_falling_line_falls_from_the_first_corner_to_the_last():
    drawn = curve({"loss": [3.0, 2.0, 1.0]}, width=40)
    rows = [line.split("|")[1] for line in drawn if "|" in line]
    assert len(rows) == HEIGHT
    assert rows[0][0] == "."
    assert rows[-1].rstrip()[-1] == "."
    assert sum(row.count(".") for row in rows) == 3
    assert rows.index(next(row for row in rows if row.strip() == "." and row[0] == " "))


def test_labels_are_the_range_of_the_figures():
    drawn = curve({"loss": [2.0, 8.0]}, width=40)
    assert drawn[1].split("|")[0].strip() == "8"
    assert drawn[HEIGHT].split("|")[0].strip() == "2"
    assert drawn[0] == "loss: . loss"


def test_wide_ranges_are_logarithmic():
    drawn = curve({"loss": [100.0, 10.0, 1.0]}, width=40)
    assert drawn[0] == "loss (logarithmic): . loss"
    rows = [line.split("|")[1] for line in drawn if "|" in line]
    places = [row for row, text in enumerate(rows) if "." in text]
    assert places[0] == 0
    assert places[2] == HEIGHT - 1
    assert abs(places[1] - (HEIGHT - 1) / 2) <= 0.5


def test_what_is_not_finite_is_not_drawn():
    drawn = curve({"train": [1.0, math.nan, 3.0], "validation": [math.inf, 2.0, 2.0]}, width=40)
    assert sum(line.count(".") for line in drawn[1:] if "|" in line) >= 2
    assert curve({"loss": [math.nan]}, width=40) == ["No figure is finite."]


def test_it_is_as_wide_as_asked_for_at_most():
    for epochs in (1, 2, 30, 1000):
        for width in (20, 80):
            drawn = curve({"a": [1 / (n + 1) for n in range(epochs)], "b": [0.5] * epochs}, width)
            assert max(len(line) for line in drawn[1:-1]) <= width
