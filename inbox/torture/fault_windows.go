package torture

func noSignals() string { return "this system has no SIGSTOP" }

func (r *round) paused() {}
