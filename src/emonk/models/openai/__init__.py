"""OpenAI's two APIs, chat completions and responses, and the many servers that speak them."""
