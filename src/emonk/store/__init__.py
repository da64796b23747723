"""Where sessions live: what is asked of a database (`protocol`), how to get one (`connect`), and its backends."""
