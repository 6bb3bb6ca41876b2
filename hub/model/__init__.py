"""The words of the hub. Everything above speaks in them; nothing here does any work.

- An **executor** binds a trigger to a target, with an invoker.
- An **event** is a fact that a trigger noticed; it is stored before anything else happens.
- A **delivery** is one event meeting one executor, with its outcome and a reason in a sentence.
- An **execution** is one run of one workflow; a **checkpoint** is the stored result of one finished call in it.
- A **lease** is a worker's dated claim on an execution; its **epoch** goes with every write, and an older one is refused.
- A **machine user** is a non-human identity; the **invoker** is the one that an execution acts as.
"""
