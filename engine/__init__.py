"""Code that all networks and benchmarks share; it names none of them."""
