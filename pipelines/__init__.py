"""Which pixels, in which order: sources of images, their check, decoding and augmentation."""
