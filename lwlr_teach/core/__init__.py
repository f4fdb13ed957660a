"""The words that everything is written in, none of which knows of learning rates.

``arithmetic`` has the operations of the rules, ``batching`` what lets a rule move many models at once, and
``sharding`` what lets it see a layer that is spread over devices; ``javascript`` writes out what a function
does with a few numbers. ``checks`` are the errors of arguments, ``text`` writes numbers and tables,
``threads`` keeps long computations in their place, and ``progress`` shows how far they are.
"""
