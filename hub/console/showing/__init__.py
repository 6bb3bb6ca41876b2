"""How things look: values in, what a template draws out. Nothing here knows a request or a store."""
