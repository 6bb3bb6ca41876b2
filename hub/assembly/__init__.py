"""The composition root: a project's folder in, a wired hub out. Nothing imports it but the command line."""
