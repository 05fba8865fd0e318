rubric clear { "Every step follows" weight 3 }
