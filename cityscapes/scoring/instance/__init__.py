"""The instance task: text files with masks and official instance ids -> AP of the classes, exactly as the server."""
