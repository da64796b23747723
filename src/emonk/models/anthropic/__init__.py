"""The Anthropic API, and servers that are compatible with it."""
