"""The search of networks: widths, depths and cells as hyperparameters, under a device's budget."""
