let changed = a <> b
