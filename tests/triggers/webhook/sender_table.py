"""What each sender signs, written down a second time and without the presets: two readings of the senders' pages that must agree."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webhook_kit import NOW, PUBLIC_URL, SECRET

URL = f"{PUBLIC_URL}/webhooks/erp-push"

#: Content to a signature's bytes.
Maker = Callable[[bytes], bytes]


def mac(key: bytes = SECRET.encode(), algorithm: str = "sha256") -> Maker:
    return lambda content: hmac.digest(key, content, algorithm)


_MAC = mac()
_FORGED = mac(b"another-secret-of-16-bytes")


@dataclass(frozen=True)
class Sender:
    """`signs` and `shows` are formats: of what is signed, and of the header that holds the signature."""

    preset: str
    header: str
    shows: str = "{mac}"
    signs: str = "{body}"
    #: How the signature is written: "hex" or "base64".
    text: str = "hex"
    secret: str = SECRET
    make: Maker = _MAC
    #: Another one's signatures, of the same kind.
    forge: Maker = _FORGED
    #: Where the time stands: a header's name, "signature", "body" or nowhere.
    clock: str = ""
    unit: str = "s"
    #: Seconds that the clock may be off.
    window: int = 300
    #: The header of an id that is signed.
    id: str = ""

    def stamp(self, ms: int) -> str:
        if self.unit == "rfc3339":
            return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return str(ms if self.unit == "ms" else ms // 1000)

    def body(self, ms: int = NOW) -> bytes:
        time = b'"webhookTimestamp": %d, ' % ms if self.clock == "body" else b""
        return b"{%s" % time + '"t": "grüße ♥"}\r\n'.encode()

    def content(self, body: bytes, stamp: str) -> bytes:
        text = self.signs.format(body="\0", t=stamp, id="msg_1", url=URL, method="POST")
        return text.encode().replace(b"\0", body)

    def write(self, raw: bytes, stamp: str, shows: str = "") -> str:
        """The header's value."""
        text = raw.hex() if self.text == "hex" else base64.b64encode(raw).decode()
        return (shows or self.shows).format(mac=text, t=stamp)

    def signed(self, stamp: str = "", body: bytes = b"") -> dict[str, str]:
        """The headers of a delivery; by default of one that is made now."""
        stamp = stamp or self.stamp(NOW)
        value = self.write(self.make(self.content(body or self.body(), stamp)), stamp)
        headers = {"content-type": "application/json", self.header: value}
        if self.clock not in ("", "signature", "body"):
            headers[self.clock] = stamp
        return headers | ({self.id: "msg_1"} if self.id else {})


_RAW = bytes(range(24))
_STANDARD = Sender(
    "standardwebhooks",
    "webhook-signature",
    "v1,{mac}",
    "{id}.{t}.{body}",
    text="base64",
    secret="whsec_" + base64.b64encode(_RAW).decode(),
    make=mac(_RAW),
    clock="webhook-timestamp",
    id="webhook-id",
)
_SVIX = replace(_STANDARD, header="svix-signature", clock="svix-timestamp", id="svix-id")
_ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = _ED25519.public_key().public_bytes_raw()
_FORGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
_CURVE = ec.derive_private_key(4_711, ec.SECP256R1())
_DISCORD = Sender(
    "discord",
    "X-Signature-Ed25519",
    signs="{t}{body}",
    secret=_PUBLIC.hex(),
    make=_ED25519.sign,
    forge=_FORGER.sign,
    clock="X-Signature-Timestamp",
)


def _ecdsa(key: ec.EllipticCurvePrivateKey) -> Maker:
    return lambda content: key.sign(content, ec.ECDSA(hashes.SHA256()))


SENDERS = [
    # the body alone, in hexadecimal
    Sender("generic", "X-Signature"),
    Sender("generic-sha256", "X-Signature"),
    Sender("generic-sha1", "X-Signature", make=mac(algorithm="sha1")),
    Sender("generic-sha512", "X-Signature", make=mac(algorithm="sha512")),
    Sender("github", "X-Hub-Signature-256", "sha256={mac}"),
    Sender("meta", "X-Hub-Signature-256", "sha256={mac}"),
    Sender("bitbucket", "X-Hub-Signature", "sha256={mac}"),
    Sender("bitbucket-server", "X-Hub-Signature", "sha256={mac}"),
    Sender("jira", "X-Hub-Signature", "sha256={mac}"),
    Sender("gitea", "X-Gitea-Signature"),
    Sender("gogs", "X-Gogs-Signature"),
    Sender("sentry", "Sentry-Hook-Signature"),
    Sender("notion", "X-Notion-Signature", "sha256={mac}"),
    Sender("dropbox", "X-Dropbox-Signature"),
    Sender("gocardless", "Webhook-Signature"),
    Sender("razorpay", "X-Razorpay-Signature"),
    Sender("pagerduty", "X-PagerDuty-Signature", "v1={mac}"),
    Sender("intercom", "X-Hub-Signature", "sha1={mac}", make=mac(algorithm="sha1")),
    Sender("vercel", "x-vercel-signature", make=mac(algorithm="sha1")),
    Sender("launchdarkly", "X-LD-Signature"),
    Sender("lemonsqueezy", "X-Signature"),
    Sender("paystack", "x-paystack-signature", make=mac(algorithm="sha512")),
    Sender("linear", "Linear-Signature", clock="body", unit="ms", window=60),
    # the body alone, in base64
    Sender("shopify", "X-Shopify-Hmac-Sha256", text="base64"),
    Sender("shopify", "shopify-hmac-sha256", text="base64"),
    Sender("shopify-events", "shopify-hmac-sha256", text="base64"),
    Sender("typeform", "Typeform-Signature", "sha256={mac}", text="base64"),
    Sender("docusign", "X-DocuSign-Signature-1", text="base64"),
    Sender("docusign", "X-DocuSign-Signature-100", text="base64"),
    Sender("line", "X-Line-Signature", text="base64"),
    Sender("adyen-header", "hmacsignature", text="base64", secret=_RAW.hex().upper(), make=mac(_RAW)),
    Sender("woocommerce", "X-WC-Webhook-Signature", text="base64"),
    Sender("xero", "x-xero-signature", text="base64"),
    Sender("twitter", "x-twitter-webhooks-signature", "sha256={mac}", text="base64"),
    Sender(
        "teams", "Authorization", "HMAC {mac}", text="base64", secret=base64.b64encode(_RAW).decode(), make=mac(_RAW)
    ),
    # with a time, an id or the address
    *(replace(_STANDARD, preset=name) for name in ("standardwebhooks", "openai", "gitlab-signing", "replicate")),
    *(replace(_SVIX, preset=name) for name in ("svix", "clerk", "resend")),
    replace(_STANDARD, preset="svix"),
    replace(_STANDARD, preset="polar", secret="polar_whs_" + SECRET, make=mac(b"polar_whs_" + SECRET.encode())),
    replace(_STANDARD, secret=base64.b64encode(_RAW).decode().rstrip("=")),
    Sender("stripe", "Stripe-Signature", "t={t},v1={mac}", "{t}.{body}", clock="signature"),
    Sender("calendly", "Calendly-Webhook-Signature", "t={t},v1={mac}", "{t}.{body}", clock="signature", window=180),
    Sender("mux", "Mux-Signature", "t={t},v1={mac}", "{t}.{body}", clock="signature"),
    Sender("workos", "WorkOS-Signature", "t={t}, v1={mac}", "{t}.{body}", clock="signature", unit="ms", window=180),
    Sender("paddle", "Paddle-Signature", "ts={t};h1={mac}", "{t}:{body}", clock="signature"),
    Sender("slack", "X-Slack-Signature", "v0={mac}", "v0:{t}:{body}", clock="X-Slack-Request-Timestamp"),
    Sender("zoom", "x-zm-signature", "v0={mac}", "v0:{t}:{body}", clock="x-zm-request-timestamp"),
    Sender(
        "twitch",
        "Twitch-Eventsub-Message-Signature",
        "sha256={mac}",
        "{id}{t}{body}",
        clock="Twitch-Eventsub-Message-Timestamp",
        unit="rfc3339",
        window=600,
        id="Twitch-Eventsub-Message-Id",
    ),
    Sender(
        "zendesk",
        "X-Zendesk-Webhook-Signature",
        signs="{t}{body}",
        text="base64",
        clock="X-Zendesk-Webhook-Signature-Timestamp",
        unit="rfc3339",
    ),
    Sender(
        "hubspot",
        "X-HubSpot-Signature-V3",
        signs="{method}{url}{body}{t}",
        text="base64",
        clock="X-HubSpot-Request-Timestamp",
        unit="ms",
    ),
    Sender("square", "x-square-hmacsha256-signature", signs="{url}{body}", text="base64"),
    # public keys
    _DISCORD,
    replace(_DISCORD, preset="discord-events"),
    replace(
        _DISCORD,
        preset="telnyx",
        header="telnyx-signature-ed25519",
        signs="{t}|{body}",
        text="base64",
        secret=base64.b64encode(_PUBLIC).decode(),
        clock="telnyx-timestamp",
    ),
    Sender(
        "sendgrid",
        "X-Twilio-Email-Event-Webhook-Signature",
        signs="{t}{body}",
        text="base64",
        secret=base64.b64encode(
            _CURVE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ).decode(),
        make=_ecdsa(_CURVE),
        forge=_ecdsa(ec.derive_private_key(4_712, ec.SECP256R1())),
        clock="X-Twilio-Email-Event-Webhook-Timestamp",
    ),
]
