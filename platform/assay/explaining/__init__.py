"""Why a model said what it said of a row: contributions of what it read, which add up to the answer."""
