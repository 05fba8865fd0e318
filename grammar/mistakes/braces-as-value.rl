let options = { samples: 8 }
