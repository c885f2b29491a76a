"""How each event changes what is known of a payment intent, by noun. Start reading with `evolution.py` one level up.

A fold returns the fields of the state that change. It believes the log and checks nothing; it reads only the event, its
place in the log and the state.
"""
