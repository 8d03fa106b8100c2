"""Faults: what can go wrong with the simulated service, and when it does.

To add a fault, write one function in the file named after the place where the fault strikes:

- `connection.py`: the TCP connection, before, while or after a call is handled
- `errors.py`: an HTTP error or another answer in place of the right one
- `keys.py`: authentication
- `answer.py`: the body, the headers and the bytes of the answer to a call that was handled
- `lifecycle.py`: what becomes of a request, and how its end is shown
- `record.py`: the records that are shown by id and in the list
- `list.py`: the list of requests
- `catalogue.py`: the models and their prices
- `media.py`: clips, uploaded frames, the object store

The decorator `register` gives the function its name, its stage and its calls. The docs and the page show the
function's docstring. The keyword-only parameters are the options, with their types and
defaults. `schedule.py` decides when a fault strikes.
"""

from __future__ import annotations
