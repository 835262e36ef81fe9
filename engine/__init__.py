"""What every network and every benchmark share; it never names one of them."""
