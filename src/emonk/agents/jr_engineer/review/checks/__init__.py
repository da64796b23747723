"""The checks of a review; each accounts for every changed file in the ledger."""
