"""What a step is asked to show of its examples, as further outputs of its program.

A gradient of one example has as many numbers as the network has parameters. Its norm needs none of
them: with the inputs ``a`` and the delta ``d`` of each layer,

    norm(gradient)**2 = sum over layers of norm(d)**2 * (norm(a)**2 + 1)

(I. Goodfellow, "Efficient per-example gradient computations", 2015; the 1 is the bias). So a probe
that returns two numbers for each layer and example tells how strong every example pulls, in which
layer, and how large activations and deltas are there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlit.autodiff.recording import extend
from backlit.insight.layers import layers_of
from backlit.insight.subject import Subject, margins
from backlit.program.program import Program


@dataclass(eq=False)
class LightProbe:
    """Losses, margins, and the sizes of deltas and of what goes into layers, for each example.

    Parameters
    ----------
    subject : Subject

    Attributes
    ----------
    taken : list of tuple
        For each piece of an epoch: the epoch, the number of its first step, the rows and the
        learning rates of its steps, and what was seen: arrays of shape (steps, batch) for the
        losses, the margins, the squared deltas of each layer, and the squared inputs of each layer
        but the first, whose inputs are the data; and of shape (steps,) for the squared norm of each
        layer's gradient, penalties not counted. Deltas and gradients come as they are in the
        program: times a factor of each example.
    """

    subject: Subject
    taken: list[tuple[int, int, NDArray[np.intp], NDArray[Any], list[NDArray[Any]]]] = field(
        default_factory=list
    )

    def extend(self, program: Program) -> Program:
        """Return the program of a step with what is to be seen as further outputs.

        Parameters
        ----------
        program : Program
            With inputs named ``x`` and ``y``.
        """
        layers = layers_of(program)
        (y,) = (value for value in program.inputs if value.name == "y")

        def further(find: Callable[[Any], Any]) -> list[Any]:
            outputs, targets = find(layers[-1].pre_activations), find(y)
            return [
                self.subject.losses(outputs, targets),
                margins(outputs, targets, self.subject.targets),
                *(np.sum(find(layer.deltas) ** 2, axis=1) for layer in layers),
                *(np.sum(find(layer.inputs) ** 2, axis=1) for layer in layers[1:]),
                *(
                    np.sum(find(layer.weight_gradient) ** 2)
                    + np.sum(find(layer.bias_gradient) ** 2)
                    for layer in layers
                ),
            ]

        return extend(program, further)

    def take(
        self, epoch: int, first: int, rows: NDArray[np.intp], rates: NDArray[Any],
        seen: list[NDArray[Any]],
    ) -> None:  # fmt: skip
        """Note what was seen in some steps; see the attribute ``taken``."""
        self.taken.append((epoch, first, rows, rates, seen))
