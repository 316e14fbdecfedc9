package sdk

import (
	"encoding/json"
	"errors"
	"fmt"

	"inbox/sdk/abi"
)

// ErrEntry says that an event to emit is not valid: its name has no dot, or its name, type or key is too long or has characters that
// it may not have.
var ErrEntry = errors.New("the name, type or key of the event is not valid")

// EmitOption sets a part of an event to emit, see [EmitKey] and [EmitType].
type EmitOption func(*abi.Emission)

// EmitKey gives an event a key of its own, in place of that of the event that is being handled. Only events of this plugin with an
// equal key are in order with it. A key has at most 256 bytes. It is stored and shown in clear: it must not hold personal data.
func EmitKey(key string) EmitOption { return func(e *abi.Emission) { e.Key = key } }

// EmitType gives an event a type, for filters by event_types.
func EmitType(typ string) EmitOption { return func(e *abi.Emission) { e.EventType = typ } }

// Emit returns the answer with one more event to emit, whose body is v as [json.Marshal] encodes it. The name has a dot, as in
// customer.passed, and is granted by emit in NAME.toml. The event is stored in the commit of the answer, and only with [Done] and
// [Skip]. It reaches every plugin that asks for its name. An answer emits at most 100 events and 1 MiB. A v that cannot be encoded
// makes the answer a [Retry].
func (a Answer) Emit(event string, v any, options ...EmitOption) Answer {
	e, err := emission(event, v, options)
	if err != nil {
		return Retry("the SDK cannot encode an event to emit: " + err.Error())
	}
	a.result.Emit = append(a.result.Emit[:len(a.result.Emit):len(a.result.Emit)], e)
	return a
}

// Emitted returns the events that the answer emits, for tests.
func (a Answer) Emitted() []abi.Emission { return a.result.Emit }

// Emit emits an event at once, in the middle of the work, as [Answer.Emit] does with the answer. It is stored with [Done] and [Skip],
// and dropped with any other answer. It returns [ErrEntry], [ErrQuota] or an error of the encoding. An event that was not granted
// ends the attempt. In a plugin that is built natively, such as a test, it checks the encoding only.
func Emit(event string, v any, options ...EmitOption) error {
	e, err := emission(event, v, options)
	if err != nil {
		return fmt.Errorf("emit %q: %w", event, err)
	}
	switch code := emit(encodeEmission(&e)); code {
	case 0:
		return nil
	case abi.ErrEntry:
		err = ErrEntry
	case abi.ErrQuota, abi.ErrTooLarge:
		err = ErrQuota
	default:
		err = fmt.Errorf("the host answered %d", code)
	}
	return fmt.Errorf("emit %q: %w", event, err)
}

// emission returns an event to emit.
func emission(event string, v any, options []EmitOption) (abi.Emission, error) {
	body, err := json.Marshal(v)
	e := abi.Emission{Event: event, Body: body}
	for _, set := range options {
		set(&e)
	}
	return e, err
}
