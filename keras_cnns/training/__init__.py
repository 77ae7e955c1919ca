"""How a network is trained: settings, the loop, devices, checkpoints, what a person sees of it."""
