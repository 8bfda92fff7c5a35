"""What must hold: the contract's rules as declarations on seven shapes."""
