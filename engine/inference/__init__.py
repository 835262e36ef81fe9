"""Prediction: a network, an image, its ids."""
