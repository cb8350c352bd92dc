"""`grad` and its family: gradients, Jacobians and Hessians of functions written in NumPy.

All of them are a few lines around one thing, the pullback of `vjp`: run the function once on
traced values, then walk back with the adjoint of its result. Signatures follow JAX's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlit.autodiff.errors import TraceError
from backlit.autodiff.pullback import (
    Argnums,
    Function,
    Pullback,
    check_result,
    float_dtype,
    function_title,
    one_like,
    outline,
    result_value,
    seed_like,
)
from backlit.autodiff.traced import Traced
from backlit.program import tree


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function that computes the gradient of ``f``.

    Parameters
    ----------
    f : callable
        A function written in NumPy, with a scalar result.
    argnums : int or sequence of int, default 0
        The positional arguments to differentiate by. Each is a float, a floating-point array, or
        a nested tuple, list or dict of these.
    has_aux : bool, default False
        Whether ``f`` returns a pair of its result and something else to hand out.

    Returns
    -------
    callable
        Takes the arguments of ``f``. Returns the gradient, in the structure, shapes and dtypes of
        the argument; a tuple of gradients if ``argnums`` is a sequence; a pair of that and the
        auxiliary result if ``has_aux``.

    Raises
    ------
    TraceError
        If the result is not a scalar, an argument is not floating-point, or ``f`` does something
        that cannot be differentiated; the message names the line.

    Notes
    -----
    Reverse mode: one run of ``f`` and one walk back, whatever the number of inputs (S. Linnainmaa
    1970; D. Rumelhart, G. Hinton and R. Williams 1986). An argument that the result does not
    depend on has gradient zero.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> backlit.grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    >>> backlit.grad(backlit.grad(np.sin))(0.5)
    np.float64(-0.479425538604203)
    """
    with_value = value_and_grad(f, argnums, has_aux)

    def gradient(*arguments: Any, **keywords: Any) -> Any:
        result, gradients = with_value(*arguments, **keywords)
        return (gradients, result[1]) if has_aux else gradients

    return _named(gradient, f, "gradient")


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """Return the function that computes ``f`` and its gradient.

    Parameters
    ----------
    f : callable
        A function written in NumPy, with a scalar result.
    argnums : int or sequence of int, default 0
        The positional arguments to differentiate by.
    has_aux : bool, default False
        Whether ``f`` returns a pair of its result and something else to hand out.

    Returns
    -------
    callable
        Takes the arguments of ``f`` and returns ``(value, gradient)``, or ``((value, aux),
        gradient)`` if ``has_aux``.

    Raises
    ------
    TraceError
        As `grad`.

    Examples
    --------
    >>> import backlit
    >>> value, slope = backlit.value_and_grad(lambda x: x**3)(2.0)
    >>> float(value), float(slope)
    (8.0, 12.0)
    """

    def both(*arguments: Any, **keywords: Any) -> Any:
        run = Pullback("grad", f, arguments, keywords, argnums, has_aux)
        result = run.result
        if isinstance(result, Traced):
            shape = result.shape
        elif tree.is_container(result):
            raise TraceError(
                f"grad: {function_title(f)} returned {outline(result)}, and only a scalar has a "
                "gradient; return one number (np.sum(...), say), or use jacobian or vjp"
            )
        else:
            shape = np.shape(result)
            check_result("grad", f, result)
        if shape != ():
            raise TraceError(
                f"grad: {function_title(f)} returned an array of shape {shape}, and only a scalar "
                "has a gradient; reduce it (np.sum, np.mean), or use jacobian, vjp or "
                "elementwise_grad"
            )
        gradients = run.pull([one_like(result)], keep=False)
        value = (
            (result_value(result, run.tape), run.aux) if has_aux else result_value(result, run.tape)
        )
        return value, gradients

    return _named(both, f, "value and gradient")


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Run ``f`` and return its value and its pullback.

    Parameters
    ----------
    f : callable
    *primals : floats, floating-point arrays, or nested tuples, lists and dicts of these
        The arguments of ``f``.
    has_aux : bool, default False
        Whether ``f`` returns a pair of its result and something else to hand out.

    Returns
    -------
    value : the result of ``f``
    pullback : callable
        Takes an adjoint in the structure of the result; returns a tuple with the adjoint of each
        primal: the vector-Jacobian product ``v J``. It may be called any number of times.
    aux
        Only if ``has_aux``.

    Raises
    ------
    TraceError
        As `grad`, but for the shape of the result, which may be any.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> y, pullback = backlit.vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    run = Pullback("vjp", f, primals, {}, tuple(range(len(primals))), has_aux)
    for leaf in tree.leaves(run.result):
        check_result("vjp", f, leaf)
    value = tree.map_leaves(lambda leaf: result_value(leaf, run.tape), run.result)

    def pullback(adjoint: Any) -> tuple[Any, ...]:
        """Return the adjoint of each primal for an ``adjoint`` of the result."""
        try:
            seeds = tree.leaves(tree.map_leaves(seed_like, value, adjoint))
        except ValueError as error:
            raise TraceError(
                f"vjp: the adjoint and the result of {function_title(f)}: {error}"
            ) from None
        return run.pull(seeds, keep=True)

    return (value, pullback, run.aux) if has_aux else (value, pullback)


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Run ``f`` and return its value and its derivative in one direction.

    Parameters
    ----------
    f : callable
    primals : tuple
        The arguments of ``f``.
    tangents : tuple
        The direction: the structure, shapes and dtypes of ``primals``.

    Returns
    -------
    value : the result of ``f``
    tangent : the Jacobian-vector product ``J t``, in the structure of the result

    Raises
    ------
    TraceError
        As `vjp`, or where primals and tangents differ in structure or shape.

    Notes
    -----
    Two reverse passes make a forward one: the pullback ``v -> v J`` is linear in ``v``, so its own
    pullback is ``t -> J t`` (J. Townsend, "A new trick for calculating Jacobian vector products",
    2017). The rules then serve both modes.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> value, tangent = backlit.jvp(lambda x: x**2, (3.0,), (1.0,))
    >>> float(value), float(tangent)
    (9.0, 6.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TraceError(
            "jvp: primals and tangents must be tuples with one entry for each argument; write "
            "jvp(f, (x,), (t,))"
        )
    value, pullback = vjp(f, *primals)
    try:
        directions = tree.map_leaves(seed_like, _leaves_as_arrays(tuple(primals)), tuple(tangents))
    except ValueError as error:
        raise TraceError(f"jvp: the primals and the tangents: {error}") from None
    at = tree.map_leaves(np.zeros_like, value)
    _, push = vjp(pullback, _leaves_as_arrays(at))
    return value, push(directions)[0]


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes all derivatives of all results of ``f``.

    Parameters
    ----------
    f : callable
        Its result may be an array, or a nested tuple, list or dict of arrays.
    argnums : int or sequence of int, default 0

    Returns
    -------
    callable
        Takes the arguments of ``f``. For a result of shape ``m`` and an argument of shape ``n``,
        returns an array of shape ``m + n``, in the result's structure and within it the
        argument's.

    Raises
    ------
    TraceError
        As `vjp`.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> backlit.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    def rows(*arguments: Any, **keywords: Any) -> Any:
        run = Pullback("jacobian", f, arguments, keywords, argnums, False)
        results = tree.leaves(run.result)
        zeros = []
        for leaf in results:
            check_result("jacobian", f, leaf)
            zeros.append(np.zeros(np.shape(leaf), dtype=float_dtype(leaf)))
        of_result = []
        for position, result in enumerate(results):
            gradients = []
            for element in range(int(np.prod(np.shape(result)))):
                seeds = list(zeros)
                row = np.zeros(zeros[position].size, dtype=zeros[position].dtype)
                row[element] = 1
                seeds[position] = row.reshape(zeros[position].shape)[()]
                gradients.append(run.pull(seeds, keep=True))
            of_result.append(_stack_rows(gradients, np.shape(result), run.zeros))
        return tree.fill(run.result, iter(of_result))

    return _named(rows, f, "Jacobian")


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """Return the function that computes all second derivatives of ``f``.

    Parameters
    ----------
    f : callable
    argnums : int or sequence of int, default 0

    Returns
    -------
    callable
        Takes the arguments of ``f``. For a scalar result and an argument of shape ``n``, returns
        an array of shape ``n + n``.

    Raises
    ------
    TraceError
        As `vjp`.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> backlit.hessian(lambda x: x[0] * x[1] ** 2)(np.array([1.0, 2.0]))
    array([[0., 4.],
           [4., 2.]])
    """
    return _named(jacobian(jacobian(f, argnums), argnums), f, "Hessian")


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Multiply the Hessian of a scalar function with a vector, without forming the matrix.

    Parameters
    ----------
    f : callable
        A function with a scalar result.
    primals : tuple
        The arguments of ``f``.
    tangents : tuple
        The vector, in the structure of ``primals``.

    Returns
    -------
    product : ``H t``, in the structure of the argument, or a tuple of these for several arguments

    Raises
    ------
    TraceError
        As `grad`.

    Notes
    -----
    The Hessian is symmetric, so the pullback of the gradient is the product (B. Pearlmutter,
    "Fast exact multiplication by the Hessian", 1994): about the cost of two gradients.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> backlit.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.5]),))
    array([6., 6.])
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TraceError("hvp: primals and tangents must be tuples; write hvp(f, (x,), (t,))")
    _, pullback = vjp(grad(f, argnums=tuple(range(len(primals)))), *primals)
    product = pullback(tuple(tangents))
    return product[0] if len(primals) == 1 else product


def elementwise_grad(f: Function, argnums: Argnums = 0) -> Function:
    """Return the derivative of a function that acts on each element alone.

    Parameters
    ----------
    f : callable
        A function whose every result element depends on the same element of the argument only.
    argnums : int or sequence of int, default 0

    Returns
    -------
    callable
        Takes the arguments of ``f``; returns the derivative at every element. (For other
        functions: the sum of the Jacobian's rows.)

    Raises
    ------
    TraceError
        As `vjp`.

    Examples
    --------
    >>> import numpy as np
    >>> import backlit
    >>> backlit.elementwise_grad(np.tanh)(np.array([0.0, 1.0]))
    array([1.        , 0.41997434])
    """

    def derivative(*arguments: Any, **keywords: Any) -> Any:
        run = Pullback("elementwise_grad", f, arguments, keywords, argnums, False)
        for leaf in tree.leaves(run.result):
            check_result("elementwise_grad", f, leaf)
        return run.pull([one_like(leaf) for leaf in tree.leaves(run.result)], keep=False)

    return _named(derivative, f, "derivative")


# ----- The parts ---------------------------------------------------------------------------------


def _leaves_as_arrays(argument: Any) -> Any:
    return tree.map_leaves(lambda leaf: np.float64(leaf) if type(leaf) is float else leaf, argument)


def _stack_rows(gradients: list[Any], shape: tuple[int, ...], zeros: Any) -> Any:
    """Stack the rows of a Jacobian, leaf by leaf, and give them the result's shape."""
    if not gradients:  # a result without elements
        return tree.map_leaves(lambda leaf: np.zeros((*shape, *leaf.shape), leaf.dtype), zeros)
    return tree.map_leaves(
        lambda *rows: np.reshape(np.stack(rows), (*shape, *np.shape(rows[0]))), *gradients
    )


def _named(derived: Function, f: Function, what: str) -> Function:
    derived.__name__ = f"{what} of {getattr(f, '__name__', 'f')}".replace(" ", "_")
    derived.__wrapped__ = f  # type: ignore[attr-defined]  # it has the signature of f
    derived.__doc__ = f"Compute the {what} of ``{getattr(f, '__name__', 'f')}``."
    return derived
