"""The Gemini API and Vertex AI, which share a wire format."""
