"""What all rooms stand on: checks of what a user passes, statuses, results and their records, devices, progress.

Any room may import any module. `status` imports nothing heavy: the command needs it to say no.
"""
