"""The flag that the writer's thread waits for."""

from __future__ import annotations

import threading

from kit import PATIENCE

from hub.store.signal import Signal


def test_what_was_set_before_the_wait_is_not_missed_and_counts_once():
    signal = Signal()
    signal.set()
    signal.set()
    assert signal.is_set()
    signal.wait()
    assert not signal.is_set()
    signal.set()
    signal.clear()
    signal.clear()
    assert not signal.is_set()


def test_a_wait_ends_with_its_time_or_when_another_thread_sets():
    signal, answer = Signal(), Signal()
    signal.wait(0.001)
    assert not signal.is_set()

    def other() -> None:
        signal.wait()
        answer.set()

    thread = threading.Thread(target=other)
    thread.start()
    signal.set()
    answer.wait(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()
