"""What makes a learner think and a lesson honest: predictions, exercises, recall, checked sentences."""

from lwlr_teach.teaching.claims import claim
from lwlr_teach.teaching.exercises import check, yours
from lwlr_teach.teaching.kernel import begin
from lwlr_teach.teaching.looking_back import my_course
from lwlr_teach.teaching.predictions import calibration, predict_choice, predict_curve, predict_number
from lwlr_teach.teaching.questions import ask, explain, recall
from lwlr_teach.teaching.start_page import course_map

__all__ = [
    "ask",
    "begin",
    "calibration",
    "check",
    "claim",
    "course_map",
    "explain",
    "my_course",
    "predict_choice",
    "predict_curve",
    "predict_number",
    "recall",
    "yours",
]
