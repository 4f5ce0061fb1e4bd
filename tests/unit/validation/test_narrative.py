"""The XHTML of narratives. https://hl7.org/fhir/R4/narrative.html#xhtml"""

import pytest

from fhir_server.core.outcome import EMPTY_VALUE
from fhir_server.validation.narrative import div_fault


def div(inner: str, attributes: str = "") -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml"{attributes}>{inner}</div>'


GOOD = {
    "text": div("Heart rate"),
    "formatting": div("<h1>A</h1><p>b<br/><b>c</b><i>d</i></p><ul><li>e</li></ul><hr/>"),
    "a table": div('<table border="1"><caption>c</caption><tbody><tr><td colspan="2">x</td></tr></tbody></table>'),
    "links and images": div('<a href="#a" name="b">x</a><img src="data:image/png;base64,AA==" alt="y"/>'),
    "an image alone": div('<img src="#pic"/>'),
    "attributes": div("x", ' class="hapi" style="color:red" xml:lang="de" lang="de" id="n1"'),
    "a prefix": '<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p>x</h:p></h:div>',
    "XML's own entities": div("a &lt; b &amp; c &#160; &quot;"),
    "comments": div("<!-- c -->x"),
    "space around": f"\n {div('x')} \n",
    "a link to a page named after a language": div('<a href="javascript.html">x</a>'),
    "letters of the world": div("Größe 世界 🌍"),
}
BAD = {
    "plain text": "Heart rate",
    "another root": '<p xmlns="http://www.w3.org/1999/xhtml">x</p>',
    "no namespace": "<div>x</div>",
    "another namespace": '<div xmlns="http://example.org">x</div>',
    "an open tag": div("<p>x"),
    "two roots": div("a") + div("b"),
    "a bare ampersand": div("a & b"),
    "an HTML entity": div("a&nbsp;b"),
    "a document type": '<!DOCTYPE div [<!ENTITY e "x">]>' + div("&e;"),
    "a document type behind space": " \n<!DOCTYPE div>" + div("x"),
    "an XML declaration": '<?xml version="1.0" encoding="UTF-16"?>' + div("x"),
    "a processing instruction": div("x<?php x?>"),
    "a script": div("<script>x</script>"),
    "a style sheet": div("<style>x</style>"),
    "a form": div("<form><input/></form>"),
    "a frame": div('<iframe src="http://example.org"/>'),
    "an object": div("<object/>"),
    "a head": div("<head/>"),
    "a font": div("<font>x</font>"),
    "capital letters": div("<P>x</P>"),
    "a foreign element": div('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
    "an event": div('<p onclick="x()">x</p>'),
    "an event of the root": div("x", ' onmouseover="x()"'),
    "an event in capitals": div('<p ONCLICK="x()">x</p>'),
    "a script link": div('<a href="javascript:x()">x</a>'),
    "a hidden script link": div('<a href=" JAVA&#10;SCRIPT:x()">x</a>'),
    "a page in a link": div('<a href="data:text/html,x">x</a>'),
    "xlink": div('<a xmlns:x="http://www.w3.org/1999/xlink" x:href="#a">x</a>'),
    "half a surrogate pair": div("\ud800"),
    "a control character": div("a\x01b"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_formatted_div_is_good(text: str) -> None:
    assert div_fault(text) is None


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_no_plain_div_of_formatting_is_refused(text: str) -> None:
    assert div_fault(text) is not None


@pytest.mark.parametrize("inner", ["", " \n", "<p> </p>", "<!-- x -->"])
def test_a_div_without_content_is_empty(inner: str) -> None:
    fault = div_fault(div(inner))
    assert fault is not None and fault.failure is EMPTY_VALUE


def test_deep_nesting_raises_nothing() -> None:
    assert div_fault(div("<span>" * 100_000 + "x" + "</span>" * 100_000)) is None
