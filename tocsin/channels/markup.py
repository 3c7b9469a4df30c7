"""Makes HTML that somebody wrote safe for a mail: few tags, no attributes but plain links, nothing that runs or loads.

Laws:
1. What is not known to be harmless is left out; the text inside it stays, except where it was never meant to be read.
2. The answer is well-formed: every tag that is opened is closed.
"""

import re
from html import escape
from html.parser import HTMLParser
from typing import Final

TAGS: Final = frozenset(
    {
        "a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "hr", "i", "li", "ol", "p", "pre", "s", "small",
        "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
    }
)  # fmt: skip
_EMPTY: Final = frozenset({"br", "hr"})
_UNREAD: Final = frozenset({"script", "style", "head", "title", "template", "iframe", "object", "noscript", "svg", "math", "textarea"})
DEEPEST: Final = 100
"""Tags one inside another; deeper ones are left out."""
_LINK: Final = re.compile(r"(https?://|mailto:)[^\s\"'<>]+", re.IGNORECASE)


def cleaned(text: str) -> str:
    """The same words with only harmless tags."""
    cleaner = _Cleaner()
    cleaner.feed(text)
    cleaner.close()
    return cleaner.result()


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._open: list[str] = []
        self._unread = 0

    def result(self) -> str:
        return "".join([*self._parts, *(f"</{tag}>" for tag in reversed(self._open))])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNREAD:
            self._unread += 1
        if self._unread or tag not in TAGS or len(self._open) >= DEEPEST:
            return
        link = dict(attrs).get("href") or ""
        shown = f' href="{escape(link)}"' if tag == "a" and _LINK.fullmatch(link) else ""
        self._parts.append(f"<{tag}{shown}>")
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD:
            self._unread = max(0, self._unread - 1)
        if self._unread or tag not in self._open:
            return
        while (inner := self._open.pop()) != tag:
            self._parts.append(f"</{inner}>")
        self._parts.append(f"</{tag}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _UNREAD:
            self.handle_starttag(tag, attrs)
            if tag not in _EMPTY:
                self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self._parts.append(escape(data))
