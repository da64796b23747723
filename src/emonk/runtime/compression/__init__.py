"""Keeps what a model is shown within its budget: summaries of what was, and results in pieces."""
