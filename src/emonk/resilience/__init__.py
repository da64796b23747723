"""What stands between emonk and a world that fails."""
