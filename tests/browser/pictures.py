"""Pictures of views, held against pictures of before.

Two pictures are the same when no more than a few small fields differ, once both are
blurred and made four times smaller: edges of letters, which each build of a browser
draws in its own way, are gone then; a colour, a place or a missing part is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

__all__ = ["Difference", "compare", "keep"]

FOLDER = Path(__file__).parent / "pictures"
SMALLER = 4
MOST_OF_255 = 28
MOST_SHARE = 0.001
MOST_PIXELS = 3  # of the size: a line of text that is a pixel longer
COLOURS = 96


@dataclass(frozen=True)
class Difference:
    """How two pictures differ.

    Attributes:
        share: Of the small fields, those that differ.
        sizes: Both sizes.
        picture: Before, now, and the fields that differ, side by side.
    """

    share: float
    sizes: tuple[tuple[int, int], tuple[int, int]]
    picture: Image.Image

    @property
    def is_seen(self) -> bool:
        """Whether a person would see it."""
        (a, b), (c, d) = self.sizes
        grown = max(abs(a - c), abs(b - d)) > MOST_PIXELS
        return grown or self.share > MOST_SHARE


def compare(before: Image.Image, now: Image.Image) -> Difference:
    """Return how two pictures differ."""
    sizes = (before.size, now.size)
    size = (max(before.width, now.width), max(before.height, now.height))
    one, two = (_padded(each.convert("RGB"), size) for each in (before, now))
    fields = ImageChops.difference(_small(one), _small(two))
    strongest = fields.split()[0]
    for band in fields.split()[1:]:
        strongest = ImageChops.lighter(strongest, band)
    marked = strongest.point(lambda value: 255 if value > MOST_OF_255 else 0)
    count = marked.histogram()[255]
    share = count / (marked.width * marked.height)
    return Difference(share, sizes, _side_by_side(one, two, marked))


def keep(picture: Image.Image, name: str) -> Path:
    """Keep a picture to compare later ones with."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.png"
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    return path


def kept(name: str) -> Image.Image:
    """Return a picture that was kept."""
    return Image.open(FOLDER / f"{name}.png").convert("RGB")


def _padded(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    whole = Image.new("RGB", size, picture.getpixel((0, 0)))
    whole.paste(picture)
    return whole


def _small(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(SMALLER / 2)).reduce(SMALLER)


def _side_by_side(
    before: Image.Image, now: Image.Image, marked: Image.Image
) -> Image.Image:
    faint = Image.blend(now, Image.new("RGB", now.size, "white"), 0.6)
    mask = marked.resize(now.size)
    faint.paste((208, 0, 112), (0, 0), mask)
    whole = Image.new("RGB", (now.width * 3 + 32, now.height), (128, 128, 128))
    for i, each in enumerate((before, now, faint)):
        whole.paste(each, (i * (now.width + 16), 0))
    return whole
