"""The devices of the site in the browser: what they are doing, and at which place they hang."""
