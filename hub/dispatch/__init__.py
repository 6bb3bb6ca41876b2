"""Dispatch: holds each event against the executors, records a delivery for each, and starts what is to be started."""
