"""The subcommands of `python -m export`: one file a command, its flags and its run.

At the top of these files stand plain modules alone: `--help` must not wait for TensorFlow.
"""
