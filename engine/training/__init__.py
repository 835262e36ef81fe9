"""Training: loop, losses, optimisation, evaluation and run folders."""
