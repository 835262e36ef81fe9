"""Check of the syntax of LaTeX tables, for machines without TeX."""

import re

_KNOWN = {
    *("begin", "end", "toprule", "midrule", "bottomrule", "textbf"),
    *("textbackslash", "textasciitilde", "textasciicircum", "textendash", "textemdash", "times", "pm", "mu", "circ"),
}


def require_valid(text: str) -> None:
    """Require one `tabular` with balanced braces, rows of equal width, known macros, and printable letters."""
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    body = "\n".join(lines)
    assert set(re.findall(r"\\([A-Za-z]+)", body)) <= _KNOWN
    sides = re.fullmatch(
        r"\\begin\{tabular\}\{((?:[lr]|p\{[\d.]+cm\})+)\}\n\\toprule\n(.*)\\bottomrule\n\\end\{tabular\}",
        body,
        re.DOTALL,
    )
    assert sides, body
    bare = re.sub(r"\\[&%$#_{}]", "", body)
    assert not re.search(r"[#%_^~]", re.sub(r"\$\^\\circ\$", "", bare))
    assert _is_balanced(bare)
    assert all(line.count("$") % 2 == 0 for line in bare.splitlines())
    for row in sides[2].splitlines():
        if row != "\\midrule":
            assert row.endswith(" \\\\")
            assert len(re.findall(r"(?<!\\)&", row)) == len(re.sub(r"\{.*?\}", "", sides[1])) - 1, row
            assert row[0] not in "[*"
    assert not re.search(r"[^\x20-\x7e\n\u00a1-\u017f]", body)


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
