"""The hub as a library: workflows in a program of one's own, without a server or a project's files."""
