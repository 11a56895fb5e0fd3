"""What the tests read out of pages: tags, text, and the charts that are packed in them."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser


class Reader(HTMLParser):
    """Tags with their attributes, the text of each, and whether every tag is closed in order."""

    VOID = ("meta", "br", "link", "img", "input", "hr")
    ENDED_BY_OTHERS = ("th", "td", "tr", "thead", "tbody")

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.scripts, self.words = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open[-1] != tag and self.open[-1] in self.ENDED_BY_OTHERS:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open and self.open[-1] == "script" else self.words).append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def unpacked(html, name):
    """What a script element of that name packs, as the browser finds it."""
    letters = re.search(f'<script type="text/plain" id="{name}">(.*?)</script>', html, re.S).group(1)
    return gzip.decompress(base64.b85decode(letters.translate(str.maketrans(",./", "<>&")))).decode()


def figures_in(html):
    return json.loads(unpacked(html, "figures"))


def coloured(value):
    """The figure as the browser sees it, with every @name resolved."""
    if isinstance(value, str) and re.fullmatch(r"@[a-z0-9]+", value):
        return "Arial" if value == "@sans" else "#123456"
    if isinstance(value, list):
        return [coloured(item) for item in value]
    return {key: coloured(item) for key, item in value.items()} if isinstance(value, dict) else value
