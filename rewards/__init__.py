"""Reward models: the judges of completions, the trainer and the evaluation. The only user of torch.

The package itself imports nothing heavy: torch and transformers load when a model is made.
"""
