"""What notices something and stores an event: calls from outside, rows of watched databases, instants on a clock."""
