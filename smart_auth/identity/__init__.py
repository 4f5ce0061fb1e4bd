"""Who people are: their accounts, how they prove it, and the browsers they are signed in with.

https://pages.nist.gov/800-63-3/sp800-63b.html
"""
