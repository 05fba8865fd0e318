reward exact = y.text === problems.answer
