"""The store's verbs, a page for each noun. `hub.store.store.Store` is all of them together."""
