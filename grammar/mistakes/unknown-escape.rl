reward tagged = verify.regex(y.text, "\d+")
