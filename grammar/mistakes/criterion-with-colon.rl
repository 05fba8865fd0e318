rubric clear judged by grader { "Every step follows": 3 }
