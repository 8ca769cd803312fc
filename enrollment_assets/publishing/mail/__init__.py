"""The daily mail: composed, sent once to each recipient, and recorded."""
