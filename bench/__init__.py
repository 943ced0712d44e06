"""The figures the README claims, each measured beside a peer in the same run: ./dev bench NAME."""
