"""The daily mail: composed, sent once, recorded."""
