"""The vocabulary of the contract: it checks what comes in and describes what goes out."""
