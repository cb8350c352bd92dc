"""Where the inputs and the deltas of each dense layer are in a recorded training step.

The gradient of an example by the weights of a layer is the outer product of two rows: what went
into the layer, and the delta. Both are values of the step's program anyway. All that insight knows
about single examples comes from these two, and so costs next to nothing.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np

from backlit.networks.layers import dense
from backlit.program.program import Program
from backlit.program.values import Value


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer in a program.

    Attributes
    ----------
    inputs : Value, shape (examples, inputs)
    weights : Value, shape (inputs, outputs)
    pre_activations, deltas : Value, shape (examples, outputs)
        Deltas as the backward pass of the program has them: times the weight of the example.
    weight_gradient : Value, shape (inputs, outputs)
    bias_gradient : Value, shape (outputs,)
        Sums over the examples.
    """

    inputs: Value
    weights: Value
    pre_activations: Value
    deltas: Value
    weight_gradient: Value
    bias_gradient: Value


def layers_of(program: Program) -> list[Layer]:
    """Find the dense layers of a recorded training step.

    Parameters
    ----------
    program : Program
        With its composites, as `backlit.record` makes it.

    Returns
    -------
    list of Layer
        In the order of the forward pass.

    Raises
    ------
    ValueError
        If a layer's weights get no gradient in the program.

    Examples
    --------
    >>> from backlit.insight.layers import layers_of
    >>> from backlit.networks import Network
    >>> from backlit.training import Adam, record_step
    >>> program = record_step(Network(4, (8,), 3), Adam(), batch_size=16)
    >>> [layer.deltas.shape for layer in layers_of(program)]
    [(16, 8), (16, 3)]
    """
    turned = {
        instruction.output: instruction.arguments[0]
        for instruction in program.instructions
        if instruction.function is np.transpose
    }
    # The rule of `dense` writes the gradient of its weights as inputs.T @ deltas, and the backward
    # pass sums the deltas for that of its biases.
    written = [
        instruction
        for instruction in program.instructions
        if instruction.derives is not None and instruction.derives.function is dense
    ]
    products = {
        turned[instruction.arguments[0]]: instruction
        for instruction in written
        if instruction.function in (np.matmul, operator.matmul)
        and instruction.arguments[0] in turned
    }
    sums = {
        instruction.arguments[0]: instruction.output
        for instruction in written
        if instruction.function is np.sum
    }
    found = []
    for instruction in program.instructions:
        if instruction.function is not dense:
            continue
        inputs, weights, _ = instruction.arguments
        if inputs not in products:
            raise ValueError(
                f"{program.name} has a dense layer of {weights.shape[0]} inputs whose weights get "
                "no gradient; give a recorded training step"
            )
        product = products[inputs]
        deltas = product.arguments[1]
        found.append(
            Layer(inputs, weights, instruction.output, deltas, product.output, sums[deltas])
        )
    return found
