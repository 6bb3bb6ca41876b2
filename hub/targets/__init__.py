"""What an executor starts. Every target is a workflow: one history, one retry policy, one page."""
