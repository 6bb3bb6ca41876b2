"""Writes docs/webhooks.md from the presets: `python docs/make_webhooks.py`."""

from __future__ import annotations

from pathlib import Path

from hub.triggers.webhook.describe import describe_examples, describe_presets

PAGE = Path(__file__).with_name("webhooks.md")
HEAD = """\
# Webhooks

An executor with a webhook has the address `/webhooks/EXECUTOR`; `hub executor webhook list` prints it. Who may send there is said by
`verify`: a preset for a known sender, or a scheme for any other one. Without `verify` the address ends in a long token, which is the secret.

A delivery is verified on its raw bytes, stored durably, and then answered with 202; what it starts runs afterwards. What cannot be stored is
answered with 503 within a second, so that its sender comes again.

An empty secret, one that a sender's documentation publishes, or a `${secret:…}` that is not set turns the executor's address off (503) until it is mended. One
shorter than 16 bytes is a problem for `hub check`, and still verifies.

## From GitHub, step by step

In a project that `hub init` has made. First the secret. In a new file nobody else can read it, or the file is not used; git leaves it out.

```sh
umask 077
echo "GITHUB_WEBHOOK: $(python3 -c 'import secrets; print(secrets.token_hex(32))')" >> config/secrets.yaml
```

Then the executor. `hub check` says what is wrong in it, with line and column.

```yaml
# executors/github-push.yaml
name: github-push
trigger:
  webhook:
    verify: {preset: github, secret: "${secret:GITHUB_WEBHOOK}"}
    events: [push]
  condition: args.body.ref === "refs/heads/main"
target:
  workflow:
    workflow_name: hello
    invoker: {machine_user: {auth_namespace: main-auth, name: hello-bot}}
    variables: "({ name: args.body.repository.full_name })"
```

Try it before GitHub knows of it, while `hub serve` runs in another terminal:

```sh
echo '{"ref": "refs/heads/main", "repository": {"full_name": "ada/engine"}}' > push.json
hub webhook sign github-push -d push.json | sh    # as GitHub will send it
hub executor jobs github-push                     # started, with its execution; the same body once more is a duplicate
```

Now let GitHub reach it. The server listens to this machine alone: let a proxy that ends TLS come before it, and write its address into config/hub.yaml,
`server: {public_url: https://hub.example.com}`. After a restart `hub executor webhook list` prints what GitHub wants to know, under Settings, Webhooks, Add webhook: the Payload URL.
The Secret is the one above; of the two content types either will do. GitHub sends a `ping` at once, which `hub executor jobs github-push` shows as filtered: it came through, and is
no push.

**Stripe** makes the secret itself, and wants the address first: it is `https://hub.example.com/webhooks/` and the executor's name. Put what it shows then
(`whsec_…`) into config/secrets.yaml, as it is; a running server takes it over at once. Until then the address answers 503, and Stripe tries again later.

```yaml
# executors/stripe-paid.yaml
name: stripe-paid
trigger:
  webhook:
    verify: {preset: stripe, secret: "${secret:STRIPE_WEBHOOK}"}
    events: [checkout.session.completed]
target:
  workflow:
    workflow_name: hello
    invoker: {machine_user: {auth_namespace: main-auth, name: hello-bot}}
    variables: "({ name: args.body.data.object.customer_details.email })"
```

When it does not work, the sender's page of deliveries shows a status:

| status | what it means | what to do |
| --- | --- | --- |
| 202 | stored | `hub executor jobs NAME` says what became of it, and why nothing ran |
| 401 | the proof does not hold | `hub webhook rejected NAME`, then `hub webhook verify ID`: which step, and what is most often the reason |
| 400, 403, 413, 415, 422 | not JSON, a foreign network, too large, another type, another shape | the same |
| 404, 405 | no such executor, a disabled one, or a wrong token; a method that is not taken | `hub executor webhook list` |
| 409 | this id came before with another body; both are kept | `hub executor jobs NAME` says which event it was |
| 429, 503 | come again later; the sender does so by itself | if it stays, `hub check`: a file or a secret is not right |

## A sender that has no preset

```yaml
trigger:
  webhook:
    verify:
      type: hmac                 # hmac | ed25519 | ecdsa_p256 | jwt | token | basic | bearer | none
      header: X-Sig
      algorithm: sha256          # sha1 | sha256 | sha512; never taken from the request
      encoding: hex              # hex | base64
      prefix: "sha256="
      content: "{timestamp}.{body}"   # {body} {timestamp} {id} {method} {url} {header:NAME} {json:a.b} and fixed text
      timestamp: {from: "header:X-Sent-At", unit: s, tolerance: 300s}
      secret: ${secret:ERP}      # or a list while it is rotated: [new, old]
      id: {from: "header:X-Event-Id", signed: false}
```

Several signatures in one header are a list: `list: {separator: ",", key: v1}`; the timestamp may stand there too: `timestamp: {from: "signature:t"}`.
A place in the body is `json:a.b`: numbers index into lists, and `*` in an id is every item of one, `json:events.*.id`. An id may be
looked for in several places, `from: [header:X-Id, json:id]`; with `joined: true` it is all of them together.
Every key can also be laid over a preset. `{url}` is `server.public_url` with the path as received, never what the request says of its host.

## Beside verify

```yaml
trigger:
  webhook:
    verify: {preset: github, secret: "${secret:GITHUB_WEBHOOK}"}
    events: [push, "pull_request.*"]      # others are accepted, recorded as filtered, and start nothing
    dedupe: {window: 30d}                 # key: header:NAME | json:a.b | query:NAME | body | none
    limits:
      body: 2MiB                          # 413 before it is read; 1MiB by default
      rate: 600                           # a minute; 429 with Retry-After
      concurrency: 64                     # at the same time; 503 with Retry-After
      networks: [192.0.2.0/24]            # 403; behind a proxy, name it in server.trusted_proxies
      content_types: [application/json]   # 415
    schema: {type: object, required: [ref]}   # 422, with the path
    response:
      status: 200
      headers: {X-Served-By: hub}
      body: {ok: true, ref: "${{ args.body.ref }}"}
```

**The schema** is JSON Schema 2020-12, and refers to its own parts only. A body that takes longer than some hundredths of a second is judged in a process of its own,
one after the other, and refused after two seconds of computing; the log names the executor. When many wait for that, further ones are answered
503 with `Retry-After`. Others are not delayed.

`response: {respond: result}` answers with the result of the execution when it comes while the sender still waits, and with 202 otherwise. A `body`
beside it may use `context.execution.result`.

**Repetitions.** The sender's delivery id is remembered for two weeks unless the preset or `window` says otherwise. A repetition gets the same answer,
is shown as `duplicate`, and does not run. The same id with another body is answered with 409, and both are kept. Where the id is not signed and two
real deliveries never have the same body, the body counts as well: a captured request that is sent again under another id is a repetition. A
`key` of the file's own stands for itself; write `dedupe: {key: "header:X-GitHub-Delivery"}` where equal bodies are to run twice, such as
two `workflow_dispatch` of GitHub with the same inputs.

**Several executors on one sender.** Each names the first one as its source and has its own events, condition and target:

```yaml
# executors/push-notice.yaml
trigger:
  webhook: {source: github-push, events: [push]}
  condition: args.body.ref === "refs/heads/main"
```

**Refused deliveries** are kept for a week, a hundred of each executor, without anything that could be used again:

```
hub webhook rejected [EXECUTOR]           which ones, and the step that failed
hub webhook verify ID                     each step again, with the secrets as they are now and at the time when it came
hub webhook release ID                    make it an event; --all EXECUTOR for all of them, in their order
hub webhook sign EXECUTOR -d FILE         a correctly signed request, as curl
```

Of a body the first 64 KiB are kept, and nothing of one that was turned away by its head (413, 415, 403). Such a delivery can be looked at and no more: have its
sender send it again, once what it failed at is mended; most have a button for it.

## Examples

"""

TABLE = """\
## All presets

"Dedupe" says where the id of a delivery is found, and whether the signature covers it.

"""


def page() -> str:
    """The whole page."""
    return f"{HEAD}{describe_examples()}\n{TABLE}{describe_presets()}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
