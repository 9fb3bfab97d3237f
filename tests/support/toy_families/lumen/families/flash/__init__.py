"""A face that is one colour."""
