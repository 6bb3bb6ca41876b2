"""`hub serve` with a planted bug: `python planted_serve.py NAME VALUE serve …`."""

from __future__ import annotations

import sys

import planted

if __name__ == "__main__":
    planted.plant({sys.argv.pop(1): float(sys.argv.pop(1))})
    from hub.cli import main

    main()
