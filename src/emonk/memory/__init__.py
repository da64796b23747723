"""What an agent keeps between sessions: memories of its users, files of its own, and records of its tenant."""
