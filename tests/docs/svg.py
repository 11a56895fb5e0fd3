"""Small pictures as SVG text: bars, tables of cells, a curve. White behind, so that they read on dark pages as well."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

INK, MUTED, MARK = "#1f2933", "#6b7785", "#e8710a"
_GREY, _LESS, _MORE = (64, 78, 96), (33, 102, 172), (178, 24, 43)
_TOO_DARK = 0.55


class Picture:
    """Shapes on a white card, in pixels from its upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._shapes: list[str] = []

    def done(self, title: str) -> str:
        """The picture; `title` is what readers hear who don't see it."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {self._height}" role="img" '
            f'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12">'
        )
        card = f'<rect width="{self._width}" height="{self._height}" rx="8" fill="#ffffff"/>'
        return "\n".join([head, f"<title>{escape(title)}</title>", card, *self._shapes, "</svg>", ""])

    def text(
        self, x: float, y: float, text: str, *, size: int = 12, bold: bool = False, muted: bool = False,
        anchor: str = "start", color: str | None = None,
    ) -> None:  # fmt: skip
        weight = ' font-weight="600"' if bold else ""
        fill = color or (MUTED if muted else INK)
        where = f'x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}"'
        self._shapes.append(f'<text {where} fill="{fill}"{weight}>{escape(text)}</text>')

    def bars(self, x: float, y: float, width: float, height: float, values: NDArray[Any], *, marked: int) -> None:
        """One bar for each bin; the marked one in orange."""
        step = width / len(values)
        for i, value in enumerate(values):
            tall = height * value / max(values.max(), 1)
            fill = MARK if i == marked else "#b8c1cc"
            self._rect(x + i * step, y + height - tall, step - 1.5, tall, fill)

    def heat(
        self, x: float, y: float, width: float, height: float, cells: NDArray[Any], *, is_signed: bool = False,
        scale: float | None = None, numbers: bool = False, marked: tuple[int, int] | None = None, title: str = "",
        rows: Sequence[str] = (), columns: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """A table of cells: grey for counts; blue where units lack, red where there are too many, for residuals."""
        n_rows, n_columns = cells.shape
        wide, tall = width / n_columns, height / n_rows
        scale = scale or float(np.abs(cells).max()) or 1.0
        for (i, j), value in np.ndenumerate(cells):
            strength = min(1.0, abs(value) / scale)
            hue = _GREY if not is_signed else _LESS if value > 0 else _MORE
            fill = MARK if marked == (i, j) else _mixed(hue, strength)
            self._rect(x + j * wide, y + i * tall, wide - 1, tall - 1, fill)
            if numbers:
                color = "#ffffff" if strength > _TOO_DARK else INK
                told = f"{-value:+d}".replace("-", "−") if is_signed and value else f"{value:d}"
                self.text(x + (j + 0.5) * wide, y + (i + 0.5) * tall + 4, told, size=11, anchor="middle", color=color)
        for i, label in enumerate(rows):
            self.text(x - 8, y + (i + 0.5) * tall + 4, cut(label, 14), size=11, anchor="end", muted=True)
        for j, label in enumerate(columns):
            self.text(
                x + (j + 0.5) * wide, y + height + 15, cut(label, int(wide / 5.5)), size=10, anchor="middle", muted=True
            )
        if title:
            self.text(x, y + height + 16, title, muted=True)

    def legend(self, x: float, y: float, more: str, less: str) -> None:
        """What red and blue are."""
        for i, (hue, told) in enumerate(((_MORE, more), (_LESS, less))):
            self._rect(x + i * 85, y, 10, 10, _mixed(hue, 0.8))
            self.text(x + 15 + i * 85, y + 10, told, size=11, muted=True)

    def curve(
        self, x: float, y: float, width: float, height: float, across: NDArray[Any], up: NDArray[Any], level: float,
        across_name: str, up_name: str, level_name: str,
    ) -> None:  # fmt: skip
        """A falling curve, from the largest `across` at the left, and a level to compare it with."""
        most = max(float(up.max()), level) * 1.05
        places = x + width * (across.max() - across) / (across.max() - across.min())
        heights = y + height * (1 - up / most)
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(places, heights, strict=True))
        level_y = y + height * (1 - level / most)
        self._line(x, y + height, x + width, y + height)
        self._line(x, level_y, x + width, level_y, dashes="5 4")
        self._shapes.append(f'<polyline points="{line}" fill="none" stroke="{MARK}" stroke-width="2.5"/>')
        self.text(x + width, level_y + 16, f"{level_name}: {level:.4f}", anchor="end", muted=True)
        self.text(x + width, heights[-1] - 8, f"{up[-1]:.4f}", anchor="end", bold=True)
        self.text(x - 8, y + 10, up_name, anchor="end", muted=True)
        self.text(x - 8, y + height + 4, "0", anchor="end", muted=True)
        self.text(x, y + height + 18, f"{across.max():,} {across_name}", muted=True)
        self.text(x + width, y + height + 18, f"{across.min():,}", anchor="end", muted=True)

    def _rect(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self._shapes.append(f'<rect {place} fill="{fill}"/>')

    def _line(self, x1: float, y1: float, x2: float, y2: float, dashes: str = "") -> None:
        style = f' stroke-dasharray="{dashes}"' if dashes else ""
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self._shapes.append(f'<line {ends} stroke="{MUTED}"{style}/>')


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _mixed(hue: tuple[int, int, int], strength: float) -> str:
    """The hue on white: 0 is a light grey, 1 the whole hue."""
    return "#" + "".join(f"{round(245 + (part - 245) * strength):02x}" for part in hue)
