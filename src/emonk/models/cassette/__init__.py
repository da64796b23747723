"""Cassettes: recorded traffic with model providers, to be answered from later, without network, keys or costs."""
