"""Landmark convolutional networks, built with Keras and held to their papers."""

__all__ = ["VARIANTS", "build", "names"]


def __getattr__(name):
    """Load the catalogue at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras_cnns import models, registry  # noqa: F401  (the families register themselves)

    return getattr(registry, name)
