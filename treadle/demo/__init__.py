"""What ``treadle demo`` compiles: a program of three typed steps and 300 made-up tickets to a bicycle shop."""
