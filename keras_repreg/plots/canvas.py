"""Figures without pyplot, and what all pictures share: colours, markers, legends."""

from typing import Any

# Ten colours that stay apart in colour-vision deficiency (Paul Tol's muted scheme), and markers, so that colour alone
# need not tell.
COLOURS = (
    "#332288", "#cc6677", "#117733", "#88ccee", "#ddcc77", "#aa4499", "#44aa99", "#882255", "#999933", "#aaaaaa",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def matplotlib() -> Any:
    """The module `matplotlib`, with what is needed of it imported.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import matplotlib.axes
        import matplotlib.colors
        import matplotlib.figure
    except ImportError as error:
        raise ImportError(
            "keras_repreg.plots needs matplotlib: `pip install 'keras-repreg[plots]'`. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
    return matplotlib


def figure_of(figure: Any, width: float, height: float) -> Any:
    """The figure given, or a new one of that size in inches."""
    figures = matplotlib().figure
    if figure is None:
        return figures.Figure(figsize=(width, height), layout="constrained")
    if not isinstance(figure, figures.FigureBase):
        raise TypeError(f"Expected `figure` to be a matplotlib Figure or None. Received: {figure!r}")
    return figure


def axes_of(ax: Any, width: float, height: float) -> Any:
    """The axes given, or those of a new figure of that size in inches."""
    axes = matplotlib().axes
    if ax is None:
        return figure_of(None, width, height).add_subplot()
    if not isinstance(ax, axes.Axes):
        raise TypeError(f"Expected `ax` to be matplotlib Axes or None. Received: {ax!r}")
    return ax


def grid_of(figure: Any, panels: int, columns: int) -> list[Any]:
    """So many axes in a grid of at most so many columns."""
    columns = min(columns, panels)
    rows = -(-panels // columns)
    return [figure.add_subplot(rows, columns, 1 + i) for i in range(panels)]


def colours(number: int) -> list[Any]:
    """So many colours; beyond ten, along a map of even lightness steps."""
    if number <= len(COLOURS):
        return list(COLOURS[:number])
    scale = matplotlib().colormaps["turbo"]
    return [scale(i / (number - 1)) for i in range(number)]


def tidy(ax: Any) -> None:
    """No frame where there is no axis."""
    ax.spines[["top", "right"]].set_visible(False)


def legend_above(figure: Any, handles: list[Any], names: list[str], title: str | None = None) -> None:
    """One legend for all panels, above them."""
    columns = min(len(names), 10)
    figure.legend(
        handles, names, title=title, loc="outside upper center", ncols=columns, frameon=False,
        fontsize="small", handletextpad=0.3, columnspacing=1.0,
    )  # fmt: skip
