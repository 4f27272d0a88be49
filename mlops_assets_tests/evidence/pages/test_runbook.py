"""Runbooks as pages: what they are written in is shown, and what a bank writes in them can do nothing else."""

import pytest

from mlops_assets.evidence.pages.runbook import markdown, render
from mlops_assets.response.runbooks import runbook_files


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("## Head", "<h2>Head</h2>"),
        ("1. one\n   more\n2. two", "<ol><li><p>one more</p></li><li><p>two</p></li></ol>"),
        ("- one\n- two", "<ul><li><p>one</p></li><li><p>two</p></li></ul>"),
        ("1. one\n\n   ```sh\n   a < b\n   ```\n\nend", '<ol><li><p>one</p>\n<pre tabindex="0">a &lt; b</pre></li></ol>\n<p>end</p>'),
        ("`a*b*` and **bold**", "<p><code>a*b*</code> and <strong>bold</strong></p>"),
        ("[there](label_shift.md)", '<p><a href="label_shift.html">there</a></p>'),
        ("[bad](javascript:alert(1))", '<p><a href="#">bad</a>)</p>'),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("```\nnever closed", '<pre tabindex="0">never closed</pre>'),
        ("", ""),
    ],
)  # fmt: skip
def test_what_a_runbook_is_written_in(text, html):
    assert str(markdown(text)) == html


def test_every_shipped_runbook_is_a_page_with_its_steps():
    for path in runbook_files().values():
        text = path.read_text(encoding="utf-8")
        page = render(text, ["data_quality"])
        assert f"<h1>{text.splitlines()[0].removeprefix('# ')}</h1>".replace("'", "&#39;").replace('"', "&#34;") in page
        assert "<ol>" in page
        assert page.count("<strong>It is over when</strong>") == 1
        assert "**" not in page
        assert "```" not in page
