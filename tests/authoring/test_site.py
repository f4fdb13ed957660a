"""What the pages of the site are made of; tests/browser/test_site.py opens them."""

import base64
import gzip
import json
import re

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from authoring.build import ROOT, WIDGET_VIEW
from authoring.site import docstrings, frame, pages, places, views
from lwlr_teach.runs import train_over_memories
from lwlr_teach.teaching.course import COURSE
from lwlr_teach.views import Microscope, SurfaceView
from lwlr_teach.views.kit.base import VIEWS
from lwlr_teach.views.prediction.view import PredictionView
from tests.javascript import run_node
