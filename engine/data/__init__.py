"""Samples for training: reading, sampling, augmentation."""
