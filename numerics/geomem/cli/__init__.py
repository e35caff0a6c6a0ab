"""The command `geomem`: its words in `options`, what it prints and writes in `tables`, and a module for each command.

Nothing imports it. Heavy imports wait inside its functions, so that help is quick.
"""
