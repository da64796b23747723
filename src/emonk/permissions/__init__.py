"""What an agent may do, and who decides."""
