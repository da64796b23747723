"""One turn: from a user's message to the reply."""
