"""Text for LaTeX and Markdown."""

import pytest

from report.figures.escaping import latex, markdown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a & b", r"a \& b"),
        ("50%", r"50\%"),
        ("a_b", r"a\_b"),
        ("$x$", r"\$x\$"),
        ("#1", r"\#1"),
        ("{x}", r"\{x\}"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("[x]*", "{[}x]{*}"),
        ("<a|b>", "$<$a$|$b$>$"),
        ("a--b---c", "a-{-}b-{-}-c"),
        ("-1.5 to -0.2, 2026-11-28", "$-$1.5 to $-$0.2, 2026-11-28"),
        ("a\nb\tc", "a b c"),
        ("Zürich, Łódź", "Zürich, Łódź"),
        ("u\u0308ber", "über"),
        ("中文", "U+4E2DU+6587"),
        ("\x1b[31m", r"\textbackslash{}x1b{[}31m"),
        ("2 \N{MULTIPLICATION SIGN} 3 \N{EN DASH} 4", r"2 $\times$ 3 \textendash{} 4"),
    ],
)
def test_latex_prints_the_text_as_it_is(text: str, expected: str) -> None:
    assert latex(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("a_b", "a_b"),
        ("_a_", r"\_a\_"),
        ("*a* `b`", r"\*a\* \`b\`"),
        ("<script>x</script>", r"\<script\>x\</script\>"),
        ("[a](b)", r"\[a\](b)"),
        ("a\\|b", r"a\\\|b"),
        ("$a$ &lt; ~~b~~", r"\$a\$ \&lt; \~\~b\~\~"),
        ("a\nb", "a b"),
    ],
)
def test_markdown_shows_the_text_as_it_is(text: str, expected: str) -> None:
    assert markdown(text) == expected
