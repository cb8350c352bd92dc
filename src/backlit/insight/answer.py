"""What every answer can do: say itself in words, become a table, and draw itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Answer(ABC):
    """An answer about a network, its training or its data.

    Its numbers are attributes. ``print`` shows the words.
    """

    @abstractmethod
    def summary(self) -> str:
        """Return the answer in plain words."""

    @abstractmethod
    def columns(self) -> Mapping[str, Any]:
        """Return the answer as a table: arrays or lists of one length by column."""

    @abstractmethod
    def _draw(self, axes: Any) -> None:
        """Draw into Matplotlib's axes."""

    def __str__(self) -> str:
        return self.summary()

    def frame(self) -> Any:
        """Return `columns` as a pandas.DataFrame.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "frame() makes a pandas.DataFrame, and pandas is not installed; python -m pip "
                "install pandas, or use columns()"
            ) from None
        return pandas.DataFrame(dict(self.columns()))

    def plot(self, axes: Any = None) -> Any:
        """Draw the answer.

        Parameters
        ----------
        axes : matplotlib.axes.Axes, optional
            By default, those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        """
        if axes is None:
            try:
                from matplotlib.figure import Figure
            except ImportError:
                raise ImportError(
                    "plot() draws by Matplotlib, which is not installed; python -m pip install "
                    "'backlit[plot]'"
                ) from None
            axes = Figure(layout="constrained").subplots()
        self._draw(axes)
        return axes
