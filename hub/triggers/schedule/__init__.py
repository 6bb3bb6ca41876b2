"""Instants on a wall clock.

A cron expression and a time zone give **slots**. `cron` knows which instants they are, `planning` decides what becomes of each,
`loop` records them and `ticking` calls it; `pausing` records what a pause has left; `upcoming` tells a person what is going to happen.
"""
