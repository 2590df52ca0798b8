"""The outside world, one Azure SDK a module: each answers in the words of `shared.ports`."""
