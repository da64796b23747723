"""The OpenAI API and the many servers that speak it."""
