"""Why a run is as it is: sentences with their figures, from its data and its marginal values alone."""
