"""Time, memory and operations of a network."""
