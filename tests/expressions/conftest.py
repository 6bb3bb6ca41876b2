"""One evaluator for a whole file of tests: what one expression does must not reach the next anyway."""

from __future__ import annotations

import asyncio

import pytest

from hub.expressions import Evaluator, Request, Scope

NOW = 1_700_000_000_123


def asking(args=None, context=None, env=None, *, now=NOW, seed="01HF7YAT00ABCDEFGHJKMNPQRS"):
    return Scope(args=args or {}, context=context or {}, env=env or {}, now=now, seed=seed)


class Desk:
    """An evaluator on a loop of its own, asked from plain tests."""

    def __init__(self, **limits):
        self.runner = asyncio.Runner()
        self.evaluator = Evaluator(**limits)

    def all(self, requests):
        return self.runner.run(self.evaluator.evaluate(requests))

    def __call__(self, condition=None, variables=None, **scope):
        return self.all([Request(asking(**scope), condition, variables)])[0]

    def value(self, expression, **scope):
        result = self(None, {"it": "${{" + expression + "}}"}, **scope)
        if result.error is not None:
            raise result.error
        return result.variables.get("it")

    def close(self):
        self.runner.run(self.evaluator.close())
        self.runner.close()


@pytest.fixture(scope="module")
def desk():
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def desk_with():
    desks = []

    def make(**limits):
        desks.append(Desk(**limits))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def scope():
    return asking
