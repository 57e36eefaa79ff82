"""`make chaos`: a whole installation under load, while its parts are killed, filled up and cut off.

`python -m tests.chaos SEED` plans what is asked and what goes wrong by the seed, keeps a plain model of what was
acknowledged, and compares it with what is there after every fault. `docs/decisions/0034-faults.md` says what passes.
"""
