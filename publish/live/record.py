"""What draws a widget's pictures, in the kernel of its notebook, and stores them."""

import base64
import io
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image

from cs231n_utils.widgets import Draw, painter

ROWS = 8  # pictures in a file, one below the other: they share what is the same in all of them
INDEX = "index.json"  # written last


def draw_all(
    folder: str, stops: dict[str, list[Any]], digest: str, draw: Draw, /, **controls: Any
) -> None:
    """Draw what `explore` would draw, and store it: in a kernel, in place of `explore`."""
    values = {name: steps(control) for name, control in controls.items()}
    start = {name: nearest(values[name], control.value) for name, control in controls.items()}
    paint = painter(draw, **{name: control.value for name, control in controls.items()})
    sheets, pictures = Sheets(Path(folder)), {}
    _, first = paint(**{name: control.value for name, control in controls.items()})
    as_picture(first).save(Path(folder) / "first.png", optimize=True)
    for places in combinations(values, start, stops):
        chosen = {name: values[name][place] for name, place in zip(values, places, strict=True)}
        alt, png = paint(**chosen)
        pictures[",".join(map(str, places))] = [sheets.add(png), alt]
    sheets.write()
    described = [
        {
            "label": control.description,
            "values": [label for label, _ in options(control)] or values[name],
            "format": getattr(control, "readout_format", ""),
            "start": start[name],
        }
        for name, control in controls.items()
    ]
    shown = {"size": sheets.size, "rows": ROWS, "controls": described, "pictures": pictures}
    (Path(folder) / INDEX).write_text(json.dumps({"key": digest, "shown": shown}))


def steps(control: Any) -> list[Any]:
    """The values that a slider takes, in order. Its start is one of them, in place of a near one.

    JupyterLab as well leaves a start between two steps for one of the next.
    """
    if chosen := options(control):
        return [value for _, value in chosen]
    count = round((control.max - control.min) / control.step)
    values = [round(control.min + place * control.step, 10) for place in range(count + 1)]
    if isinstance(control, ipywidgets.FloatLogSlider):
        values = [control.base**value for value in values]
    values[nearest(values, control.value)] = control.value
    return values


def options(control: Any) -> list[tuple[str, Any]]:
    """What a control offers by name, which ipywidgets takes with a label or without; else []."""
    offered = getattr(control, "options", [])
    return [each if isinstance(each, tuple) else (str(each), each) for each in offered]


def nearest(values: list[Any], value: Any) -> int:
    """The place of the value that is nearest, or the very one: options need be no numbers."""
    if value in values:
        return values.index(value)
    return int(np.argmin(np.abs(np.subtract(values, value))))


def combinations(
    values: dict[str, list[Any]], start: dict[str, int], stops: dict[str, list[Any]]
) -> Iterator[tuple[int, ...]]:
    """The places of the values that are stored together, each once.

    Each control takes all its values while the others rest at their start or at one of their stops.
    """
    if unknown := stops.keys() - values.keys():
        raise ValueError(
            f"stops for {', '.join(unknown)}, but the controls are {', '.join(values)}"
        )
    rests = {
        name: sorted({start[name], *(nearest(values[name], stop) for stop in stops.get(name, []))})
        for name in values
    }
    seen: set[tuple[int, ...]] = set()
    for moved in values:
        ranges = rests | {moved: list(range(len(values[moved])))}
        # The moved one last, so that its neighbours come one after the other.
        order = [name for name in values if name != moved] + [moved]
        for places in product(*(ranges[name] for name in order)):
            chosen = dict(zip(order, places, strict=True))
            places = tuple(chosen[name] for name in values)
            if places not in seen:
                seen.add(places)
                yield places


def as_picture(png: str) -> Image.Image:
    """The picture of a PNG file in base64."""
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


class Sheets:
    """Files 0.webp, 1.webp, ... with pictures one below the other; equal ones once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers: dict[str, int] = {}
        self.waiting: list[Image.Image] = []
        self.size = (0, 0)

    def add(self, png: str) -> int:
        """The number of a picture, which is a PNG file in base64."""
        if png not in self.numbers:
            self.numbers[png] = len(self.numbers)
            picture = as_picture(png)
            self.size = picture.size
            self.waiting.append(picture)
            if len(self.waiting) == ROWS:
                self.write()
        return self.numbers[png]

    def write(self) -> None:
        """Write the pictures that wait."""
        if self.waiting:
            width, height = self.size
            sheet = Image.new("RGB", (width, height * len(self.waiting)))
            for row, picture in enumerate(self.waiting):
                sheet.paste(picture, (0, row * height))
            name = f"{(len(self.numbers) - 1) // ROWS}.webp"
            # From quality 76 on it looks for what is the same in all pictures of the sheet.
            sheet.save(self.folder / name, lossless=True, quality=80)
            self.waiting = []
