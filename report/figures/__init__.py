"""Figures for papers and slides: charts as SVG and PDF, tables as LaTeX and Markdown, pictures."""
