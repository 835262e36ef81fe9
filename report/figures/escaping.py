"""Text for LaTeX and Markdown in which no character has a meaning."""

import re
import unicodedata

from engine.errors import printable

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"${character}$" for character in "<>|"},  # other characters in LaTeX's default font
    **{character: f"{{{character}}}" for character in "[*`"},  # an argument after the end of a row; a ligature
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MICRO SIGN}": r"$\mu$",
    "\N{DEGREE SIGN}": r"$^\circ$",
}
_LETTERS = "ßæøåÆØÅŒœłŁı"
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"
"""Accents that LaTeX composes in every font, for example grave, acute and circumflex."""


def latex(text: str) -> str:
    """Text on one line that pdflatex prints as it is.

    The sign of a negative number is a minus. A character that pdflatex has no letter for, for example a Chinese one,
    becomes its code, for example U+4E2D.
    """
    escaped = "".join(map(_latex, unicodedata.normalize("NFC", one_line(text))))
    return re.sub(r"(?<!\S)-(?=\d)", "$-$", escaped.replace("--", "-{-}"))


def markdown(text: str) -> str:
    """Text on one line in which Markdown and HTML have no meaning."""
    return re.sub(r"([\\`*|<>\[\]&~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))", r"\\\1", one_line(text))


def one_line(text: str) -> str:
    """Text without line breaks, tabs and control characters."""
    return " ".join(printable(text).split())


def _latex(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii() or character in _LETTERS or _is_composed(character):
        return character
    return f"U+{ord(character):04X}"


def _is_composed(character: str) -> bool:
    """Whether a character is a letter of ASCII with one accent that LaTeX knows."""
    parts = unicodedata.normalize("NFD", character)
    return len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS
