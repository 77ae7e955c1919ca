"""Which file on which device: SavedModel and .tflite files that prove themselves."""
