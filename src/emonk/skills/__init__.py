"""Skills: instructions for the model, and the typed tools that go with them."""
