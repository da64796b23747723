"""The marketing agent: plans campaigns and writes posts for X, LinkedIn and Instagram."""
