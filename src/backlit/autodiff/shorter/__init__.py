"""NumPy's longer functions, written with its shorter ones. Importing this package enters them.

An executor that is not NumPy knows how to add, multiply, reduce and move, and does not have to know
each of NumPy's functions: `recording.expand` puts what stands here in their place. The results are
the same but for rounding.

A body is called with the arguments of its function. It returns ``NotImplemented`` for arguments
that it does not cover: then the function stays where it is. Functions that are differentiated
through a formula (`table.formula`) have that for a body.
"""

from backlit.autodiff.shorter import elementwise, indexing, products, shaping
from backlit.autodiff.shorter.table import CASTS, applied, simpler

__all__ = ["CASTS", "applied", "elementwise", "indexing", "products", "shaping", "simpler"]
