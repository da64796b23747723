"""Reviews the changes between two revisions of a git repository: diff, then evidence, then a report.

Nothing of the reviewed repository is executed or imported, and none of its configuration is obeyed.
"""
