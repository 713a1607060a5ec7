"""What one run did: the recorder, its spans and their export."""
