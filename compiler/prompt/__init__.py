"""From a signature and values to messages, and from a reply back to values."""
