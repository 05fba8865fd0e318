test doubling { expect double(1) == 2 }
