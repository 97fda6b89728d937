"""Controls that redraw a figure as they move, for readers who have a kernel running."""

import html
from collections.abc import Callable
from typing import Any

import ipywidgets

from cs231n_utils.plots import DescribedFigure

Draw = Callable[..., DescribedFigure]


def explore(draw: Draw, /, **controls: Any) -> ipywidgets.VBox:
    """Put controls above a picture that each move replaces, and a button that resets them.

    Parameters
    ----------
    draw
        Function of the controls' values, by name, that returns a described figure.
    **controls
        Sliders of ipywidgets with a description, which is their label; a SelectionSlider for a
        choice, because JupyterLab keeps the arrow keys from a Dropdown.
    """
    longest = max(len(control.description) for control in controls.values())
    start = {name: control.value for name, control in controls.items()}
    reset = ipywidgets.Button(description="Reset", tooltip="Put every control back")
    picture = ipywidgets.HTML()
    paint = painter(draw, **start)

    def show(_: Any = None) -> None:
        alt, png = paint(**{name: control.value for name, control in controls.items()})
        picture.value = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{png}">'

    def put_back(_: Any) -> None:
        for name, control in controls.items():
            control.value = start[name]

    for control in controls.values():
        control.style.description_width = f"{0.6 * longest:.1f}em"  # sliders start in one line
        control.layout.width = "36em"
        control.observe(show, names="value")
    reset.on_click(put_back)
    show()
    return ipywidgets.VBox([*controls.values(), reset, picture])


def painter(draw: Draw, /, **start: Any) -> Callable[..., tuple[str, str]]:
    """A function of the controls' values that returns the text alternative, and a PNG in base64.

    The axes stand as in the first figure: laying out each takes as long as drawing it.
    """
    first = draw(**start)
    first.set_layout_engine("constrained", w_pad=0.3)  # inches beside each of the axes
    first.draw_without_rendering()
    positions = [ax.get_position(original=True) for ax in first.axes]

    def paint(**values: Any) -> tuple[str, str]:
        figure = draw(**values)
        figure.set_layout_engine("none")
        for ax, position in zip(figure.axes, positions, strict=False):
            ax.set_position(position)
        return figure.alt, figure.png(tight=False)

    return paint
