"""Files: atomic writes, images, downloads."""
