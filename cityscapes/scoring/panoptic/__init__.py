"""The panoptic task: predicted and annotated segments -> panoptic quality (PQ), exactly as the server."""
