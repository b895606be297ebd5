"""The track record of an agent: figures and a verdict, made of the outcomes of its signals."""
