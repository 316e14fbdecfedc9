package torture

// Judge holds the samples of a soak against each other.
func Judge(r *Report) { r.judge() }
