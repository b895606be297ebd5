"""Profit by book and symbol: fills, their lots and round trips, folded as trades are stored.

A commit that stores trades leaves a mark for each of their symbols (storage/engine/marks.py). A
step of a fold reads the marks of a symbol, undoes the fills from the earliest of them on, and folds
the trades after the last fill that is left. It stores the result and removes the marks in one
transaction, in which it checks that nobody else has folded the symbol meanwhile. So any process may
fold at any time, a killed one leaves nothing half done, and the result depends on the stored trades
only.

Round trips hold what it takes to undo them, so there are no checkpoints: a late trade costs what
came after it, in steps.
"""
