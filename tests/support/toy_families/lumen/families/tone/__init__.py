"""A voice that sounds one tone per word."""
