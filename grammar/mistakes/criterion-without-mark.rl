rubric clear judged by grader {
  "Every step follows"
  "Is in English" gate
}
