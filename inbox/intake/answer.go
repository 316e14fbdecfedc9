package intake

import (
	"encoding/json"
	"net/http"
	"strconv"

	"inbox/inbox"
)

// retryAfter is the number of seconds after which a sender is asked to try again.
const retryAfter = "5"

// statusUnavailable is the status of a request that the store could not store.
const statusUnavailable = "unavailable"

// answer is the answer to a request.
type answer struct {
	code    int
	status  string
	secret  string
	size    int
	unkept  bool
	unread  bool // the body was not read to its end
	receipt *inbox.Receipt
	message string // of a failure
}

func failure(code int, status, message string) answer {
	return answer{code: code, status: status, message: message}
}

// unreadFailure is the failure of a request whose body was not read to its end.
func unreadFailure(code int, status, message string) answer {
	a := failure(code, status, message)
	a.unread = true
	return a
}

func busy() answer {
	return failure(http.StatusServiceUnavailable, inbox.RefusedBusy, "too many bodies are being received at once; send it again")
}

func tooLarge() answer {
	return failure(http.StatusRequestEntityTooLarge, inbox.RefusedTooLarge, errTooLarge.Error())
}

// text returns the body of the answer.
func (a answer) text() []byte {
	var v any
	switch {
	case a.receipt != nil:
		v = a.receipt
	case a.message == "":
		v = struct {
			ID     *string `json:"id"`
			Seq    *int64  `json:"seq"`
			Status string  `json:"status"`
		}{Status: a.status}
	default:
		v = map[string]map[string]string{"error": {"code": a.status, "message": a.message}}
	}
	text, _ := json.Marshal(v) // strings and numbers cannot fail
	return append(text, '\n')
}

func (a answer) write(w http.ResponseWriter) {
	text, h := a.text(), w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if a.code == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(a.code)
	_, _ = w.Write(text) // the sender may have closed the connection; the event is stored all the same
}
