"""Pieces of a page; whatever text is given to them is escaped."""

import html
from collections.abc import Iterable, Sequence

from mien.media.svg import printable


def text(value: object) -> str:
    """Anything as text of a page: escaped, with a question mark for what does not print."""
    return html.escape(printable(str(value)))


def details(title: str, content: str) -> str:
    """What opens on a click; ``content`` is markup already."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"


def figure(picture: str | None, caption: str, escaped: bool = False) -> str:
    """A picture, an address of ours, over its caption."""
    image = f'<img src="{picture}" alt="" loading="lazy">' if picture else ""
    return (
        f"<figure>{image}<figcaption>{caption if escaped else text(caption)}</figcaption></figure>"
    )


def bar(share: float, colour: str) -> str:
    """A little bar of a share of 1."""
    width = 100 * min(max(share, 0), 1)
    return f'<i class="bar"><i style="width:{width:.0f}%;background:{colour}"></i></i>'


def cells(values: Iterable[object]) -> str:
    """A row of a table."""
    return "<tr>" + "".join(f"<td>{text(value)}</td>" for value in values) + "</tr>"


def table(head: Sequence[str], rows: Sequence[str]) -> str:
    """Rows, markup already, under the names of their columns."""
    names = "".join(f"<th>{text(name)}</th>" for name in head)
    return f'<div class="wide"><table><tr>{names}</tr>{"".join(rows)}</table></div>'
