"""The figures' typeface, DejaVu Sans, for the pages around them: from Matplotlib's own files."""

import io
import shutil
from functools import cache
from pathlib import Path

import matplotlib as mpl
from fontTools.subset import Options, Subsetter, load_font, save_font

SOURCE = Path(mpl.get_data_path(), "fonts", "ttf")
FACES = {  # file: family, weight, style
    "DejaVuSans": ("DejaVu Sans", 400, "normal"),
    "DejaVuSans-Bold": ("DejaVu Sans", 700, "normal"),
    "DejaVuSans-Oblique": ("DejaVu Sans", 400, "italic"),
    "DejaVuSansMono": ("DejaVu Sans Mono", 400, "normal"),
    "DejaVuSansMono-Bold": ("DejaVu Sans Mono", 700, "normal"),
}
BLOCKS = [  # of Unicode: first and last
    (0x0020, 0x017F),  # Latin
    (0x02C6, 0x02DD),  # accents
    (0x0370, 0x03FF),  # Greek
    (0x2010, 0x205F),  # dashes, quotes, spaces
    (0x2070, 0x209F),  # superscripts and subscripts
    (0x2100, 0x214F),  # letterlike signs
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematical operators
    (0x2500, 0x25FF),  # boxes, bars, discs
    (0x2610, 0x2612),  # ballot boxes
    (0x2713, 0x2718),  # ticks and crosses
    (0x27E8, 0x27E9),  # angle brackets
]
FACE = """@font-face {{
  font-family: "{}";
  font-weight: {};
  font-style: {};
  font-display: swap;
  src: url("{}.woff") format("woff");
}}
"""


def write(folder: Path) -> None:
    """Write the files of the fonts into a folder, with their licence and fonts.css.

    A page that links fonts.css may name the families "DejaVu Sans" and "DejaVu Sans Mono".
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FACES:
        (folder / f"{name}.woff").write_bytes(subset(name))
    faces = [FACE.format(*face, name) for name, face in FACES.items()]
    (folder / "fonts.css").write_text("\n".join(faces), encoding="utf-8")
    shutil.copy(SOURCE / "LICENSE_DEJAVU", folder)


@cache
def subset(name: str) -> bytes:
    """A font of Matplotlib with the characters of BLOCKS alone, as a WOFF file."""
    options = Options(flavor="woff", hinting=False, drop_tables=["FFTM"])
    font = load_font(str(SOURCE / f"{name}.ttf"), options)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[code for first, last in BLOCKS for code in range(first, last + 1)])
    subsetter.subset(font)
    file = io.BytesIO()
    save_font(font, file, options)
    return file.getvalue()
