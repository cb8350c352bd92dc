"""Every answer of the doctor says itself, is a table, and draws itself."""

from __future__ import annotations

import pytest

from backlit.insight.doctor import check_data, diagnose
from backlit.insight.doctor.minimum import find_minimum


def test_answers_are_words_tables_and_pictures(circle, well, allowed):
    pytest.importorskip("matplotlib")
    diagnosis = diagnose(well, reference=allowed)
    answers = (
        diagnosis, diagnosis.signal, diagnosis.limit, diagnosis.minimum, diagnosis.generalisation,
        check_data(*circle[0], circle[1]),
    )  # fmt: skip
    for answer in answers:
        assert len(str(answer)) > 40
        lengths = {len(column) for column in answer.columns().values()}
        assert len(lengths) == 1, type(answer).__name__
        assert len(answer.frame()) == lengths.pop()
        assert answer.plot().figure is not None


def test_the_minimum_of_a_diagnosis_is_that_of_its_recording(well, allowed):
    assert diagnose(well, reference=allowed).minimum.columns() == find_minimum(well).columns()
