"""Describes a code base: what is in it, and where its programs start."""
