"""Keras, imported at its first use: a list of names must not wait 8 s for TensorFlow."""


class _Keras:
    def __getattr__(self, name):
        import keras

        return getattr(keras, name)


keras = _Keras()
