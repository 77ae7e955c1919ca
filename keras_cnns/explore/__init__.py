"""The lecture's "things to explore": networks that write networks, that learn tasks, that remember.

Each subject has a file of its mathematics, on any backend of Keras, and a file that trains it.
"""
