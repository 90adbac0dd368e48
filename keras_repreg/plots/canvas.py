"""Create the figures and axes to draw into, without pyplot."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def matplotlib() -> Any:
    """Return the module `matplotlib`, with the submodules that the plots need.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import matplotlib.axes
        import matplotlib.backends.backend_agg
        import matplotlib.cm
        import matplotlib.colors
        import matplotlib.figure
        import matplotlib.lines
        import matplotlib.ticker
        import matplotlib.transforms
    except ImportError as error:
        raise ImportError(
            "keras_repreg.plots requires matplotlib: `pip install 'keras-repreg[plots]'`. Received: "
            f"{type(error).__name__}: {error}"
        ) from error
    return matplotlib


def figure_of(figure: Any, width: float, height: float) -> Any:
    """Return the given figure, or a new one of this size in inches."""
    figures = matplotlib().figure
    if figure is None:
        return figures.Figure(figsize=(width, height), layout="constrained")
    if not isinstance(figure, figures.FigureBase):
        raise TypeError(f"Expected `figure` to be a matplotlib Figure, a SubFigure or None. Received: {figure!r}")
    return figure


def axes_of(ax: Any, width: float, height: float) -> Any:
    """Return the given axes, or those of a new figure of this size in inches."""
    axes = matplotlib().axes
    if ax is None:
        return figure_of(None, width, height).add_subplot()
    if not isinstance(ax, axes.Axes):
        raise TypeError(f"Expected `ax` to be matplotlib Axes or None. Received: {ax!r}")
    return ax


def grid_of(figure: Any, panels: int, columns: int) -> list[Any]:
    """Return `panels` axes in a grid of at most `columns` columns."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    return [figure.add_subplot(rows, columns, 1 + i) for i in range(panels)]


def tidy(ax: Any) -> None:
    """Remove the frame on sides without an axis, and draw a light grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)


def width_of(figure: Any) -> float:
    """Return the width of a figure or subfigure in inches."""
    return float(figure.bbox.width / root_of(figure).dpi)


def root_of(figure: Any) -> Any:
    """Return the figure that contains a subfigure, or the figure itself."""
    return getattr(figure, "figure", figure)


def pixels_of(figure: Any, dpi: int) -> NDArray[np.uint8]:
    """Return a figure as red, green and blue, shape (height, width, 3)."""
    figure.set_dpi(dpi)
    drawn = matplotlib().backends.backend_agg.FigureCanvasAgg(figure)
    drawn.draw()
    return np.asarray(drawn.buffer_rgba())[:, :, :3]
