"""A send in batches: whom it goes to is resolved once, and each batch is a send of its own.

As :mod:`qunfa.send`, it stores facts and derives what they mean.

| module | has |
|---|---|
| ``state`` | the facts, and what follows from them |
| ``steps`` | what may come next, and what can happen |
| ``plan`` | what comes next: one table |
| ``apply`` | what the state becomes by what happens |
| ``answers`` | which answers of people fit |
| ``show`` | what people see, and the result |
"""
