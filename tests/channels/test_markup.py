"""HTML that somebody wrote: the words stay, nothing that runs or loads does."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.markup import DEEPEST, TAGS, cleaned


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("<h1>Fire</h1><p>It <b>spreads</b></p>", "<h1>Fire</h1><p>It <b>spreads</b></p>"),
        ('<p style="x" onclick="evil()">Fire</p>', "<p>Fire</p>"),
        ("<script>evil()</script>Fire<style>p{}</style>", "Fire"),
        ('<img src=x onerror="evil()">Fire', "Fire"),
        ('<a href="https://example.org/?a=1&b=2" target=x>there</a>', '<a href="https://example.org/?a=1&amp;b=2">there</a>'),
        ('<a href="javascript:evil()">there</a>', "<a>there</a>"),
        ('<a href=" https://example.org/&quot;onmouseover=evil()">there</a>', "<a>there</a>"),
        ("1 < 2 & 3 &lt;b&gt;", "1 &lt; 2 &amp; 3 &lt;b&gt;"),
        ("<ul><li>one<li>two", "<ul><li>one<li>two</li></li></ul>"),
        ("<b><i>both</b> one</i>", "<b><i>both</i></b> one"),
        ("</p></div>words<br/>", "words<br>"),
        ("<svg><script>evil()</script></svg><iframe src=x>in</iframe>after", "after"),
        ("<!-- <b> --><?php evil ?><![CDATA[x]]>after", "after"),
    ],
)
def test_only_harmless_tags_stay(written: str, sent: str):
    assert cleaned(written) == sent


class Looked(HTMLParser):
    """What a reader of the mail would find."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        good = [name for name, value in attrs if tag == "a" and name == "href" and (value or "").lower().startswith(("http", "mailto:"))]
        if tag not in TAGS or len(good) < len(attrs):
            self.wrong.append(tag)


@given(st.text(st.sampled_from('<>/ab="\' hrefjs:script!-&;imgonx'), max_size=200))
def test_no_text_at_all_brings_another_tag_or_attribute(written: str):
    looked = Looked()
    looked.feed(cleaned(written))
    looked.close()
    assert looked.wrong == []
    assert cleaned(cleaned(written)) == cleaned(written)


def test_very_deep_markup_is_cut_and_ends():
    assert cleaned("<div>" * 5000 + "deep").count("<div>") == DEEPEST
