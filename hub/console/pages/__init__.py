"""A page for each noun: what is asked of the client, and which template shows it."""
