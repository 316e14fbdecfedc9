package dispatch

// state is the state of one lane in the loop of its plugin. Every change passes through lane.move.
type state uint8

// The states of a lane.
const (
	absent   state = iota // nothing of the lane is left to run, and the loop holds nothing of it
	idle                  // in memory with nothing to start: its runs are due later, or the loop is deciding right now
	ready                 // in the ready queue
	running               // one attempt of it is with the workers
	retrying              // its next event failed; it is due again at the DueAt of the lane's row
	parked                // its next event is dead; its later events wait
	unread                // its next event lies after the last event that was read from the log
	unloaded              // only its row in the store is left: the lane is parked or ready there
)

// states is the number of states.
const states = int(unloaded) + 1

// String returns the state's name, as docs/HOW-IT-WORKS.md writes it.
func (s state) String() string {
	return [states]string{"absent", "idle", "ready", "running", "retrying", "parked", "unread", "unloaded"}[s]
}

// move is one legal change of a lane's state.
type move struct {
	from, to state
	when     string
}

// moves returns every legal change of a lane's state. Tests check that the code makes these moves and no others, and that
// docs/HOW-IT-WORKS.md lists them.
func moves() []move {
	return []move{
		{absent, idle, "an event, a replayed run or a row of the lane is loaded"},
		{absent, unloaded, "the plugin is loaded and the store holds a parked or ready row of the lane"},
		{idle, absent, "nothing of the lane is left to run"},
		{idle, ready, "the lane has an attempt to start"},
		{idle, retrying, "the plugin is loaded and the store holds a row in retry"},
		{idle, running, "a probe starts it, or its workers already run the next event"},
		{idle, unread, "its next event was not read from the log yet"},
		{ready, running, "a worker is free"},
		{ready, idle, "its head was filtered or cancelled, or a probe takes it out of the queue"},
		{running, idle, "the attempt settled, was a replay's, was interrupted or was taken back"},
		{running, retrying, "the attempt failed and will be made again"},
		{running, parked, "the attempt was the last one and the policy parks"},
		{retrying, idle, "the retry is due, a hold ended, or a probe starts it"},
		{parked, idle, "an operator or a replay retries or discards the dead event"},
		{parked, unloaded, "more than maxParked parked lanes are in memory"},
		{unread, idle, "the log was read on"},
		{unloaded, parked, "an event, a replay or an operator asks for the lane"},
		{unloaded, idle, "the row is ready in the store"},
	}
}
