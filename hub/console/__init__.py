"""The HTML face: what people look at. It translates, and decides nothing."""
