"""Devices, processes, memory."""
