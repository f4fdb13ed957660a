"""The command ``lwlr-teach``: a folder of lessons and JupyterLab on it, the site, progress, and a check-up.

It starts before anything else does, so only what needs torch imports it, when it is asked for.
"""
