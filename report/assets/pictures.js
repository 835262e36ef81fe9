// Section: pictures.
