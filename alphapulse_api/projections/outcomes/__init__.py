"""Outcomes of signals: what the price did from their receipt to their horizon.

A signal that says where a price goes, and by when, gets a row in its own transaction. When the
horizon has ended, a server looks up the prices. A price that comes late leaves a mark in its
transaction, and the outcomes that it touches are looked at again. The result depends on the stored
signals and prices only.
"""
