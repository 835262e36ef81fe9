"""Training: the loop and all it takes."""
