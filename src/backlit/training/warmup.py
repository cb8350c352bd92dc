"""Compile the kernels that training may need, before anybody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backlit.networks.activations import ACTIVATIONS
from backlit.networks.losses import LOSSES, TARGETS
from backlit.networks.network import Network
from backlit.training.engines import NativeSteps
from backlit.training.examples import Examples
from backlit.training.forward import ROWS_AT_ONCE, Forward
from backlit.training.optimizers import OPTIMIZERS, Adam, AdamW
from backlit.training.penalties import Penalties
from backlit.training.settings import Settings

SMALL, LARGE = (16, (8, 8), 3, 32), (256, (256, 256), 12, 256)  # for one thread, and for several


def warm_up(progress: Callable[[int, int], object] | None = None) -> tuple[int, int]:
    """Compile all kernels of all activations, losses, optimizers and penalties, in both dtypes.

    Sizes are no part of a kernel: afterwards, training compiles nothing, whatever the network. A
    few combinations of options have kernels of their own, each compiled when it is first used.

    Parameters
    ----------
    progress : callable, optional
        Called with how many trainings have been prepared, and how many there are.

    Returns
    -------
    compiled, prepared : int
        How many kernels were compiled, the others having been there; for how many trainings.

    Raises
    ------
    ImportError
        If Numba is not installed.
    """
    from backlit.execution.native import library
    from backlit.execution.native.executor import driver

    before = library.compilations()
    driver()
    trainings = list(_trainings())
    for number, (network, settings, batch) in enumerate(trainings, start=1):
        dtype = settings.dtype_meant()
        nothing = np.zeros((1, network.inputs), dtype)
        examples = Examples(nothing, nothing, nothing[0])
        assert settings.batched is not None
        NativeSteps(network, settings.batched, settings, examples).prepare(batch)
        Forward(network, 1).prepare(ROWS_AT_ONCE, dtype)
        if progress is not None:
            progress(number, len(trainings))
    return library.compilations() - before, len(trainings)


def _trainings() -> Iterator[tuple[Network, Settings, int]]:
    """Yield what differs in one thing each from what is usual."""
    penalties = (Penalties(l1=1e-3), Penalties(l2=1e-3), Penalties(1e-3, 1e-3, 1.0))
    for dtype in ("float32", "float64"):
        for inputs, hidden, outputs, batch in (SMALL, LARGE):

            def network(
                activation: str = "relu", loss: str = "log_loss", hidden: Any = hidden, **more: Any
            ) -> Network:
                binary = loss == "binary_log_loss"
                return Network(inputs, hidden, 1 if binary else outputs, activation, loss, **more)  # noqa: B023

            usual = Settings(AdamW(weight_decay=0.1), dtype=dtype)
            for activation in ACTIVATIONS:
                yield network(activation), usual, batch
            for loss in LOSSES:
                yield network(loss=loss), usual, batch
                yield network(loss=loss), usual, 1
            smooth = [loss for loss in LOSSES if TARGETS[loss] in ("classes", "labels")]
            for loss in smooth:
                options = {"smoothing": 0.1}
                yield network(loss=loss, loss_options=options), usual, batch
            yield network(dropout=0.1), usual, batch
            yield network(hidden=()), usual, batch
            for made in OPTIMIZERS.values():
                optimizer: Any = made()
                yield network(), Settings(optimizer, dtype=dtype), batch
            for penalty in penalties:
                yield network(), Settings(Adam(), penalties=penalty, dtype=dtype), batch
