"""Courseware about one number, the learning rate: readable optimizers, loss surfaces, live pictures.

Every method of the course is one line with four choices in it::

    p  ←  p − rate(t) · scale(layer) · direction( clip(g) )

Import what you need from its room: ``lwlr_teach.optim``, ``lwlr_teach.surfaces``, ``lwlr_teach.sweep``,
``lwlr_teach.race``, ``lwlr_teach.views``. The numerics never import a plotting library; only ``views`` does.
"""

__version__ = "0.1.0"
