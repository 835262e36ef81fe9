"""Command lines: options, error messages and exit codes."""
