"""`guilder bench hostile`: what ordinary clients feel, and what the API keeps in memory, while others misbehave.

Start reading with `hostile.py`, which has the list of scenarios; `attacks.py` is what each one does, in a process of its
own (`attacker.py`), and `report.py` the table and the JSON.
"""
