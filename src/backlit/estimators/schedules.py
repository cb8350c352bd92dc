"""Learning rates beyond scikit-learn's three ways: the trainer's schedules, or a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from backlit.training.schedules import Cosine, OneCycle, ReduceOnPlateau, StepDecay

Schedule: TypeAlias = Callable[[float, float], float] | ReduceOnPlateau

# A plateau of the schedule is shorter than the one that ends a fit, by the default of
# ``n_iter_no_change``: else it would come too late.
NAMED: dict[str, Schedule] = {
    "step": StepDecay(),
    "cosine": Cosine(),
    "one_cycle": OneCycle(),
    "plateau": ReduceOnPlateau(factor=0.3, patience=5),
}


def schedule_for(learning_rate: Any) -> Schedule | None:
    """Return the schedule that the parameter ``learning_rate`` stands for.

    Parameters
    ----------
    learning_rate : str, schedule or callable

    Returns
    -------
    schedule or None
        None for scikit-learn's ways.

    Raises
    ------
    ValueError
        If it is a class, and not made of one.

    Examples
    --------
    >>> from backlit.estimators.schedules import schedule_for
    >>> schedule_for("cosine")
    Cosine(end=0.0)
    """
    if isinstance(learning_rate, str):
        return NAMED.get(learning_rate)
    if isinstance(learning_rate, type):
        name = learning_rate.__name__
        raise ValueError(
            f"learning_rate must be a schedule, got the class {name}; write {name}() with its "
            "settings"
        )
    made: Schedule = learning_rate
    return made


def factor_at(schedule: Callable[[float, float], float], epoch: float, epochs: int) -> float:
    """Return what multiplies the learning rate.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, epochs)`` returns the factor.
    epoch : float
        How many epochs are done, with a fraction.
    epochs : int
        How many there will be. Whoever goes on beyond stays at the end.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the schedule returns something else than a finite number that is not negative.

    Examples
    --------
    >>> from backlit.estimators.schedules import factor_at
    >>> factor_at(lambda epoch, epochs: 1 - epoch / epochs, 2.5, 10)
    0.75
    """
    found = schedule(min(epoch, float(epochs)), float(epochs))
    try:
        factor = float(found)
    except (TypeError, ValueError):
        factor = math.nan
    if not 0 <= factor < math.inf:
        raise ValueError(
            "learning_rate as a function of (epoch, epochs) must return a factor of 0 or more, got "
            f"{found!r} for epoch {epoch:g} of {epochs}"
        )
    return factor
