"""Hostile expressions: each ends in a value or a clear error, touches nothing outside, and leaves nothing behind.

The oracle: a secret in the hub's environment, a file and a listening socket that no result may show and nobody may
touch; and an evaluation after each, in the same process where that still lives, that sees a clean engine.
"""

from __future__ import annotations

import json
import os
import socket
import time

import pytest

from hub.expressions import Request

SECRET = "canary-7f3a9c"
PROBE = (
    "({ sum: [1, 2, 3].map((x) => x * 2), own: Object.keys(globalThis), proto: Object.keys(Object.prototype),"
    " polluted: ({}).polluted === undefined && [].polluted === undefined && typeof leaked === 'undefined',"
    " json: JSON.stringify({ a: [new Date(0)] }), then: typeof Object.prototype.then, text: String({}),"
    " sort: ['b', 'a'].sort().join(), date: Date.now(), re: /a(b)/.exec('ab')[1] })"
)

REACH = """
process.env.HUB_CANARY
process.mainModule.require('child_process').execSync('id')
require('fs').readFileSync('CANARY_FILE', 'utf8')
std.getenv('HUB_CANARY')
std.open('CANARY_FILE', 'r').readAsString()
os.open('CANARY_FILE', os.O_WRONLY)
os.exec(['touch', 'CANARY_FILE'])
import('std')
import('os').then((os) => os.exec(['id']))
import('CANARY_FILE')
(async () => { const std = await import('std'); return std.getenv('HUB_CANARY') })()
globalThis.std || globalThis.os || globalThis.process || globalThis.require || globalThis.scriptArgs || 'none'
fetch('http://127.0.0.1:CANARY_PORT/')
new WebSocket('ws://127.0.0.1:CANARY_PORT/')
new XMLHttpRequest()
new Worker('CANARY_FILE')
load('CANARY_FILE')
loadScript('CANARY_FILE')
print('x')
console.log('x')
Deno.env.toObject()
Bun.env
globalThis.constructor.constructor('return this')().process
this.constructor.constructor('return process')().env
[].constructor.constructor('return globalThis')()
(function () { return this }()).process
Function('return this')().std
new Function('return import("os")')()
(0, eval)('this').os
eval('import("std")')
Object.getPrototypeOf(function* () {}).constructor('yield this')().next().value.process
Object.getPrototypeOf(async function () {}).constructor('return this')()
Object.getPrototypeOf(async function* () {}).constructor('return this')().next()
args.constructor.constructor('return process')()
args.__proto__.constructor.constructor('return this')().std
context.constructor.constructor('return std')()
env.toString.constructor('return os')()
JSON.parse.constructor('return this')().process
Date.constructor('return this')().os
Math.random.constructor('return arguments.callee.caller')()
(() => { try { null.x } catch (e) { return e.constructor.constructor('return process')() } })()
(() => { Error.prepareStackTrace = (e, frames) => frames; return new Error().stack.map((f) => f.getThis && String(f.getThis())) })()
(() => { Error.prepareStackTrace = (e, frames) => frames.map((f) => String(f.getFunction && f.getFunction())); return new Error().stack })()
(() => { Error.stackTraceLimit = 1e9; const f = () => new Error().stack; return f().length })()
Reflect.ownKeys(globalThis).map(String)
Reflect.getPrototypeOf(Reflect.getPrototypeOf(globalThis))
Symbol.for('nodejs.util.inspect.custom')
"""

BEHIND = """
Object.prototype.polluted = 1
Array.prototype.polluted = 1, [].polluted
({}).__proto__.polluted = 'x'
args.__proto__.polluted = 1
args.constructor.prototype.polluted = 1
JSON.parse('{"__proto__": {"polluted": 1}}')
Object.assign({}, JSON.parse('{"__proto__": {"polluted": 1}}')).polluted
Object.setPrototypeOf(Object.prototype, null)
Object.defineProperty(Object.prototype, 'toJSON', { value: () => 'owned' })
Object.prototype.toJSON = function () { return { owned: 1 } }, { a: 1 }
Array.prototype.toJSON = () => '],[' , [1]
String.prototype.toJSON = () => 'owned', 'x'
Number.prototype.toJSON = () => 'owned', 5
Boolean.prototype.toJSON = () => 'owned', true
Array.prototype[Symbol.iterator] = function* () { yield 'owned' }, [1]
Array.prototype.map = () => 'owned'
Object.keys = () => ['owned']
JSON.stringify = () => 'owned', { a: 1 }
JSON.parse = () => ({ owned: 1 }), args
globalThis.JSON = null, args
globalThis.Date = null
Date.now = () => 0
Date.prototype.toJSON = () => 'owned', new Date()
Math.random = () => 'owned'
leaked = 1
globalThis.leaked = 1
(function () { leaked = 1 })()
eval('var leaked = 1')
globalThis.args = { owned: 1 }, args
Object.defineProperty(globalThis, 'args', { get: () => 'owned', set() {} }), args
Object.defineProperty(globalThis, 'env', { value: 1, writable: false, configurable: false })
Object.freeze(Object.prototype)
Object.freeze(globalThis)
Object.preventExtensions(Array.prototype)
Object.prototype.then = (f) => f('owned'), 1
Object.prototype.get = () => 'owned', 1
Object.prototype.v = 'owned', undefined
Object.defineProperty(Object.prototype, 'v', { get() { return 'owned' }, set() { throw 1 } }), {}
RegExp.prototype.exec = () => ['owned', 'owned']
Function.prototype.call = () => 'owned'
Function.prototype.toString = () => 'owned'
Symbol.prototype[Symbol.toPrimitive] = () => 'owned'
Promise.prototype.then = (f) => f('owned')
Promise.resolve().then(() => { leaked = 1 })
queueMicrotask(() => { leaked = 1 })
(async () => { leaked = 1 })()
new FinalizationRegistry(() => { leaked = 1 }).register({}, 1)
delete globalThis.Object
undefined = 1
NaN = 1
"""

SIDE_EFFECTS = """
({ get a() { leaked = 1; return 1 } })
({ toJSON() { leaked = 1; return 'x' } })
({ toJSON() { throw { toString() { throw 1 } } } })
({ toJSON() { return this } })
({ toJSON: Function('return this') })
new Proxy({}, { get: () => 'owned' })
new Proxy({}, { ownKeys: () => { throw 1 } })
new Proxy([], { get: (t, k) => (k === 'length' ? 3 : k) })
new Proxy(function () {}, { apply: () => 'owned' })
new Proxy(Promise.resolve(), { getPrototypeOf() { throw new Error('owned') } })
(() => { const a = {}; a.a = a; return a })()
(() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy })()
({ then(f) { f('owned') } })
({ [Symbol.toPrimitive]() { throw 1 } })
class { static [Symbol.hasInstance]() { return true } }
(() => { class A extends Array { static get [Symbol.species]() { throw 1 } } return new A(3).map(String) })()
(() => { const a = [1, 2, 3]; a.constructor = { [Symbol.species]: function () { return { owned: 1 } } }; return a.map((x) => x) })()
[3, 1, 2].sort(() => { leaked = 1; args.x = 2; return 0 })
[1, 2, 3].sort(function (a, b) { this.leaked = 1; return NaN })
(() => { const a = [3, 2, 1]; return a.sort((x, y) => { a.length = 0; return x - y }) })()
(() => { const b = new ArrayBuffer(8, { maxByteLength: 64 }); const t = new Uint8Array(b); b.resize(0); return t[0] })()
(() => { const b = new ArrayBuffer(8); const t = new Uint32Array(b); b.transfer(); return [t.length, t[0]] })()
(() => { const t = new Uint8Array(8); return t.fill({ valueOf() { t.buffer.transfer(); return 1 } }) })()
(() => { const m = new Map([[1, 1]]); m.forEach((v, k) => { if (k < 1000) m.set(k + 1, 1), m.delete(k) }); return m.size })()
(() => { throw null })()
(() => { throw undefined })()
(() => { throw Symbol('x') })()
(() => { throw '\\ud800' })()
(() => { throw new Proxy(new Error('x'), { get() { throw 1 } }) })()
(() => { const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { throw 1 } }); throw e })()
(() => { const e = new Error('x'); e.name = { toString() { leaked = 1; return 'y' } }; throw e })()
(() => { Error.prepareStackTrace = () => { throw 1 }; return null.x })()
(() => { Error.prepareStackTrace = () => ({ toString() { return 'at <eval> (<input>:9:9)' } }); return null.x })()
"""

WRAPPER = r"""
a) ; (b
1), (2
1)); leaked = 1; ((2
1)]); leaked = 1; ([(2
})(); (function(){
1 }) ; (() => { 1
1 // comment
1 /* comment
1 /* comment */
// only
/* only */
`
${1}
`${1
`${`
1 `
'
"
\
\u0029; leaked = 1; \u0028
1;leaked = 1
1
;leaked = 1
); leaked = 1; (
] ; leaked = 1; [
)]} leaked {[(
--> x
<!-- x
1 <!-- x
#!x
'use strict'; leaked = 1
return 1
throw 1
debugger
if (1) 2
with (args) x
import.meta
import 'std'
export default 1
super.x
new.target
yield 1
await 1
%s
%(x)s
/(/
/[/
"""

LARGE = [
    "'x'.repeat(2 ** 30)",
    "'x'.padEnd(2 ** 29)",
    "Array(2 ** 27).fill('abc')",
    "new Array(2 ** 32 - 1).fill(1)",
    "new ArrayBuffer(2 ** 31)",
    "new Uint8Array(2 ** 30)",
    "[...Array(1e7).keys()].map(String)",
    "(() => { const a = []; for (;;) a.push('x'.repeat(1e6) + a.length) })()",
    "(() => { let s = 'x'; for (;;) s += s })()",
    "(() => { const o = {}; for (let i = 0; ; i++) o['k' + i] = { i } })()",
    "(() => { let a = []; for (let i = 0; i < 40; i++) a = [a, a]; return a.flat(Infinity).length })()",
    "2n ** 10000000n",
    "(1n << 1048575n) * (1n << 1048575n)",
    "(1n << 500000n).toString().length",
    "JSON.parse('['.repeat(1e6))",
    "JSON.parse('['.repeat(1e6) + ']'.repeat(1e6))",
    "JSON.parse('{\"a\":'.repeat(1e5))",
    "JSON.stringify(Array(1e6).fill('\\u0000'))",
    "Array(300000).fill('xxxxxxxx')",
    "({ a: 'x'.repeat(1048577) })",
    "eval('('.repeat(1e5))",
    "eval('['.repeat(1e5) + ']'.repeat(1e5))",
    "eval('`${'.repeat(1e5))",
    "new RegExp('('.repeat(1e5))",
    "new RegExp('(?:a{1000}){1000}{1000}')",
    "new RegExp('a{4294967295}')",
    "/((((a{1000}){1000}){1000}){1000})/.test('a')",
    "(function f() { return f() + 1 })()",
    "(function f(x) { return [x].map(f) })(1)",
    "(() => { const o = { toString() { return String(o) } }; return String(o) })()",
    "(() => { const o = { get a() { return this.a } }; return o.a })()",
    "(() => { const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x })()",
    "(() => { let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x })()",
    "(() => { let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(); return f() })()",
    "(() => { let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; return o })()",
    "'a'.replace(/a/g, function f() { return 'a'.replace(/a/g, f) })",
    "String.fromCharCode(...Array(1e6).fill(65))",
    "Math.max(...Array(1e7))",
    "Reflect.apply(Math.max, null, { length: 2 ** 32 })",
]

ENDLESS = [
    "(() => { for (;;); })()",
    "(() => { try { for (;;); } catch { return 1 } finally { for (;;); } })()",
    "new Array(2 ** 32 - 1).join('')",
    "/(a+)+$/.test('a'.repeat(40) + 'b')",
    "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))",
    "[1, 2].sort(() => { for (;;); })",
    "({ toJSON() { for (;;); } })",
    "new Proxy({}, { ownKeys() { for (;;); } })",
    "({ get a() { for (;;); } })",
    "(() => { throw { toString() { for (;;); } } })()",
    "(() => { throw { get stack() { for (;;); } } })()",
    "(() => { Error.prepareStackTrace = () => { for (;;); }; return null.x })()",
    "(() => { const p = Array.prototype; p.indexOf.call({ length: 2 ** 53 - 1 }, 1) })()",
    "(function* () { for (;;) yield 1 })().toArray()",
]


def lines(text):
    return [line for line in text.strip("\n").split("\n") if line]


QUICK = [*lines(REACH), *lines(BEHIND), *lines(SIDE_EFFECTS), *lines(WRAPPER)]


@pytest.fixture(scope="module")
def canaries(tmp_path_factory):
    file = tmp_path_factory.mktemp("canary") / "canary"
    file.write_text(SECRET)
    before = file.stat()
    os.environ["HUB_CANARY"] = SECRET
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def fill_in(source):
            return source.replace("CANARY_FILE", str(file)).replace("CANARY_PORT", str(server.getsockname()[1]))

        yield fill_in
        with pytest.raises(BlockingIOError):
            server.accept()
    del os.environ["HUB_CANARY"]
    after = file.stat()
    assert file.read_text() == SECRET
    assert (after.st_mtime_ns, after.st_size, after.st_mode) == (before.st_mtime_ns, before.st_size, before.st_mode)
    assert list(file.parent.iterdir()) == [file]


@pytest.fixture(scope="module")
def clean(desk):
    return desk(None, PROBE)


def is_contained(result):
    """A value or a clear error, which can be stored and shows nothing of the machine."""
    assert result.error is None or not result.matched
    text = json.dumps(result.variables) + str(result.error)
    text.encode()
    assert SECRET not in text
    assert "Traceback" not in text
    assert ".py" not in text
    if result.error is not None:
        assert ": " in str(result.error)
        assert len(str(result.error)) < 700


def test_there_is_a_corpus(clean):
    assert len({*QUICK, *LARGE, *ENDLESS}) >= 150
    assert clean.variables["polluted"] is True
    assert clean.variables["own"] == ["args", "context", "env"]


@pytest.mark.parametrize("kind", ["variables", "condition", "template"])
def test_hostile_expressions_reach_nothing_and_leave_nothing(desk, canaries, scope, clean, kind):
    requests = []
    for source in QUICK:
        hostile = canaries(source)
        condition, variables = {
            "variables": (None, hostile),
            "condition": (hostile, "args"),
            "template": (None, {"a": "${{ " + hostile + "\n}}", "b": "<${{ " + hostile + "\n}}>"}),
        }[kind]
        requests += [Request(scope(args={"x": 1}), condition, variables), Request(scope(), None, PROBE)]
    pid = desk.evaluator._trusted._child.pid
    results = desk.all(requests)
    for source, result, after in zip(QUICK, results[::2], results[1::2], strict=True):
        is_contained(result)
        assert after == clean, source
    assert desk.evaluator._trusted._child.pid == pid, "one of them ended the process"


@pytest.mark.parametrize("source", lines(WRAPPER))
def test_nothing_closes_the_brackets_around_an_expression(desk, source):
    result = desk(None, {"a": "${{ [" + source + "\n, typeof leaked] }}"})
    whole = desk(source, "typeof leaked")
    for answer in (result, whole):
        if answer.error is None:
            assert "undefined" in json.dumps(answer.variables) or source.startswith(("1", "/*", "'", "%"))
        else:
            is_contained(answer)


def test_what_has_no_size_ends_soon_and_alone(desk_with, clean, scope):
    desk = desk_with(deadline=0.4)
    assert desk.value("1") == 1
    for source in LARGE:
        result, after = desk.all([Request(scope(), None, source), Request(scope(), None, PROBE)])
        is_contained(result)
        assert after == clean, source


def test_what_has_no_end_is_stopped(desk_with, clean):
    desk = desk_with(deadline=0.15)
    for source in ENDLESS:
        assert desk.value("1 + 1") == 2
        result = desk(None, source)
        # A formatter of stack traces that hangs is stopped as well, and the error that it was to format is told.
        assert "took longer than 0.15 s" in str(result.error) or "prepareStackTrace" in source
        assert result.error is not None
        assert desk(None, PROBE) == clean, source


@pytest.mark.parametrize("source", [ENDLESS[0], ENDLESS[2]])
def test_the_usual_deadline_is_kept(desk, source):
    assert desk.value("1") == 1
    used, began = time.process_time(), time.monotonic()
    result = desk("true", source)
    assert time.monotonic() - began > 0.9, "what is starved is given longer on purpose, and nobody less"
    assert "took longer than 1 s" in str(result.error)
    assert time.process_time() - used < 0.5
    assert desk.value("1 + 1") == 2
