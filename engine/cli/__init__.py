"""What commands share: options, errors, exit codes."""
