"""The web face: chat over HTTP and server-sent events, and the page that uses it."""
