"""Incoming HTTP calls: who sent this, was it sent before, and is it stored?

- A **scheme** says what a sender signs and where it puts the proof; a **preset** is a sender's scheme, as data.
- A **verifier** is a scheme with its secrets: request in, **verdict** out, nothing else touched.
- A **handshake** is the question a sender asks once, before it sends anything real.
- An **endpoint** is one executor's verifier, limits and answer; the **intake** is the door that all requests come through.
"""
