"""Every question that anyone may ask. Nothing here writes, and what is not found is None or an empty page.

Long lists come in pages, with a cursor to the next one. A filter is part of the statement only where it is given,
and states are spelled out in it: so each list is read from the index that was made for it, in any plan.
"""
