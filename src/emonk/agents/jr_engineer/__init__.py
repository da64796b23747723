"""The jr-engineer: reviews changes and explains code bases."""
